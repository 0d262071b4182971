-- Whether this server's tokens are safe, and its clock. KEYS[1] is the hash of the store's epoch.

-- The epoch, or false unless it was raised since this server has its replication id: every start and every promotion brings another.
local function raised_epoch()
  local known = redis.call('HMGET', KEYS[1], 'epoch', 'replid')
  return known[1] and known[2] and #known[2] == 40
    and string.find(redis.call('INFO', 'replication'), 'master_replid:' .. known[2], 1, true) and known[1]
end

local function not_raised()
  return redis.error_reply('EPOCH not raised since this server started, was promoted or restored')
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
