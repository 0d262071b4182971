-- One lock: who holds it and who waits. Times are milliseconds of this server's clock.
--   KEYS[2]  hash of the space's totals: granted (the tokens' counter), waited
--   KEYS[3]  hash of holders: owner -> "mode epoch counter since until"; it expires with the last of them
--   KEYS[4]  list of owners who wait, first come first
--   KEYS[5]  hash of what they want: owner -> "mode permits channel alive_until"
local totals, held, queue, wanted = KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function keep_until(moment)
  if redis.call('PEXPIREAT', held, moment, 'GT') == 0 and redis.call('PTTL', held) < 0 then
    redis.call('PEXPIREAT', held, moment)
  end
end

local function grant(epoch, owner, mode, now, moment)
  local counter = redis.call('HINCRBY', totals, 'granted', 1)
  redis.call('HSET', held, owner, mode .. ' ' .. epoch .. ' ' .. counter .. ' ' .. now .. ' ' .. moment)
  keep_until(moment)
  return {epoch, counter}
end

-- For requests whose first answer was lost, and for waiters who were granted what they waited for: their lease begins now.
local function confirm(owner, now, lease)
  local entry = redis.call('HGET', held, owner)
  local kept, epoch, counter, moment = string.match(entry or '', '^(%a+ (%d+) (%d+) %d+) (%d+)$')
  if not kept or tonumber(moment) <= now then
    return false
  end
  redis.call('HSET', held, owner, kept .. ' ' .. now + lease)
  keep_until(now + lease)
  return {epoch, tonumber(counter)}
end

-- Who holds at this moment; leases that ran out end here.
local function look(now)
  local entries, seen = redis.call('HGETALL', held), {holders = 0, has_writer = false, first_end = nil}
  for i = 1, #entries, 2 do
    local moment = tonumber(string.match(entries[i + 1], '%d+$'))
    if moment <= now then
      redis.call('HDEL', held, entries[i])
    else
      seen.holders = seen.holders + 1
      seen.has_writer = seen.has_writer or string.find(entries[i + 1], 'exclusive', 1, true) == 1
      seen.first_end = math.min(seen.first_end or moment, moment)
    end
  end
  return seen
end

local function fits(seen, mode, permits)
  if mode == 'permit' then
    return seen.holders < tonumber(permits)
  elseif mode == 'shared' then
    return not seen.has_writer
  end
  return seen.holders == 0
end

local function leave_queue(owner)
  redis.call('LREM', queue, 1, owner)
  redis.call('HDEL', wanted, owner)
end

-- Grant to those in front for whom there is room, and wake them; `mine` is awake. Who hears no more is passed over: PUBLISH
-- counts who does. One that hears and sleeps holds only as long as it was known to be alive, so that however many sleep, they
-- cost one lease. Where it is not fair, the first is only told that it may try.
local function pass_on(epoch, now, fair, mine)
  local seen = look(now)
  while true do
    local owner = redis.call('LINDEX', queue, 0)
    if not owner then
      return seen
    end
    local want = redis.call('HGET', wanted, owner)
    local mode, permits, channel, alive_until = string.match(want or '', '^(%a+) (%d+) (%S+) (%d+)$')
    local is_alive = alive_until and tonumber(alive_until) > now
    if is_alive and not fits(seen, mode, permits) then
      return seen
    end
    is_alive = is_alive and (owner == mine or redis.call('PUBLISH', channel, owner) > 0)
    if is_alive and not fair then
      return seen
    end
    leave_queue(owner)
    if is_alive then
      grant(epoch, owner, mode, now, tonumber(alive_until))
      seen = look(now)
    end
  end
end
