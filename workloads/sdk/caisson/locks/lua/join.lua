-- ARGV: owner, mode, permits, lease, fair, channel, for how long it is known to live. Joins the queue, or says that a waiter is alive, or takes up what was granted:
-- answers {epoch, counter}, or after how many milliseconds to come again if nobody wakes it before.
local owner, mode, permits, lease, fair, channel = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1', ARGV[6]
local epoch = raised_epoch()
if not epoch then
  return not_raised()
end
local now = milliseconds()
local mine = confirm(owner, now, lease)
if mine then
  return mine
end
if redis.call('HEXISTS', wanted, owner) == 0 then
  redis.call('RPUSH', queue, owner)
  redis.call('HINCRBY', totals, 'waited', 1)
end
redis.call('HSET', wanted, owner, mode .. ' ' .. permits .. ' ' .. channel .. ' ' .. now + tonumber(ARGV[7]))
redis.call('PEXPIRE', queue, 2 * lease)
redis.call('PEXPIRE', wanted, 2 * lease)
local seen
if fair then
  seen = pass_on(epoch, now, fair, owner)
  mine = confirm(owner, now, lease)
  if mine then
    return mine
  end
else
  seen = look(now)
  if fits(seen, mode, permits) then
    leave_queue(owner)
    return grant(epoch, owner, mode, now, now + lease)
  end
end
return math.max(1, (seen.first_end or now + lease) - now)
