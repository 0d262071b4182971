-- One of several independent nodes. ARGV: owner, mode, lease. Takes the lock on this node: answers {1, this node's epoch, and the epoch
-- and the counter of the greatest token that it has recorded}, or {0, milliseconds until the first of its holders is over}.
local owner, mode, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local epoch = raised_epoch()
if not epoch then
  return not_raised()
end
local now = milliseconds()
if not confirm(owner, now, lease) then
  local seen = look(now)
  if not fits(seen, mode, 1) then
    return {0, seen.first_end - now}
  end
  redis.call('HSET', held, owner, mode .. ' ' .. epoch .. ' 0 ' .. now .. ' ' .. now + lease)
  keep_until(now + lease)
end
local token = redis.call('HMGET', totals, 'token_epoch', 'token_counter')
return {1, tonumber(epoch), tonumber(token[1] or 0), tonumber(token[2] or 0)}
