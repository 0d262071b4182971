-- ARGV: owner, mode, channel, lease. Lets people see who waits, and answers how many came before: with independent nodes there is no queue
-- that decides anything, but who came later may let those go first.
if redis.call('HEXISTS', wanted, ARGV[1]) == 0 then
  redis.call('RPUSH', queue, ARGV[1])
  redis.call('HINCRBY', totals, 'waited', 1)
end
redis.call('HSET', wanted, ARGV[1], ARGV[2] .. ' 1 ' .. ARGV[3] .. ' ' .. milliseconds() + tonumber(ARGV[4]))
-- Whoever has not shown itself for a lease is dead.
local first = redis.call('LINDEX', queue, 0)
while first and tonumber(string.match(redis.call('HGET', wanted, first) or '0', '%d+$')) <= milliseconds() do
  leave_queue(first)
  first = redis.call('LINDEX', queue, 0)
end
redis.call('PEXPIRE', queue, 2 * tonumber(ARGV[4]))
redis.call('PEXPIRE', wanted, 2 * tonumber(ARGV[4]))
return redis.call('LPOS', queue, ARGV[1]) or 0
