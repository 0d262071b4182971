-- ARGV: owner, channel, whether it still waits ('waits'). The owner does not hold on this node, nor wait unless it says so, and all who wait
-- are told. Answers whether it held (1 or 0).
if ARGV[3] ~= 'waits' then
  leave_queue(ARGV[1])
end
local was_held = redis.call('HDEL', held, ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return was_held
