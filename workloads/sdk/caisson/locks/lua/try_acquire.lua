-- ARGV: owner, mode, permits, lease, fair. Answers {epoch, counter}, or nil.
local owner, mode, permits, lease, fair = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
local epoch = raised_epoch()
if not epoch then
  return not_raised()
end
local now = milliseconds()
if redis.call('EXISTS', held, queue) == 0 then
  return grant(epoch, owner, mode, now, now + lease)
end
local mine = confirm(owner, now, lease)
if mine then
  return mine
end
local seen = fair and pass_on(epoch, now, fair) or look(now)
if (fair and redis.call('EXISTS', queue) == 1) or not fits(seen, mode, permits) then
  return false
end
return grant(epoch, owner, mode, now, now + lease)
