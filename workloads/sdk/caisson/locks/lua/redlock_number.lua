-- ARGV: owner, epoch, counter. Records a token, if it is greater than all that this node has recorded and its owner holds here: answers
-- {whether it did, then the epoch and the counter of the greatest}. No two owners can record one token on a majority.
local owner, epoch, counter = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not raised_epoch() then
  return not_raised()
end
local token = redis.call('HMGET', totals, 'token_epoch', 'token_counter')
local last_epoch, last_counter = tonumber(token[1] or 0), tonumber(token[2] or 0)
local mode, since_until = string.match(redis.call('HGET', held, owner) or '', '^(%a+) %d+ %d+ (%d+ %d+)$')
if not mode or epoch < last_epoch or (epoch == last_epoch and counter <= last_counter) then
  return {0, last_epoch, last_counter}
end
leave_queue(owner)
redis.call('HSET', totals, 'token_epoch', epoch, 'token_counter', counter)
redis.call('HINCRBY', totals, 'granted', 1)
redis.call('HSET', held, owner, mode .. ' ' .. epoch .. ' ' .. counter .. ' ' .. since_until)
return {1, epoch, counter}
