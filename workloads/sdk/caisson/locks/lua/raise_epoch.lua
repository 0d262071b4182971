-- For a server without an agent: raises its own epoch if it has not been raised since the server has its replication id. Answers the epoch.
-- A server that lost its data does not know the old number. So that the new one is greater all the same, it is at least the
-- minutes since 2026: that holds unless the loss took less than a minute, or the clock was set back.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'replid')
local present = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if known[2] == present then
  return tonumber(known[1])
end
local minutes = math.floor((redis.call('TIME')[1] - 1767225600) / 60)
local epoch = math.max(minutes, (tonumber(known[1]) or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', epoch, 'replid', present)
return epoch
