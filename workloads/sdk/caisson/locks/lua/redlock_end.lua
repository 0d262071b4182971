-- ARGV: owner, channel. The owner neither waits nor holds on this node, and all who wait are told. Answers whether it held (1 or 0).
leave_queue(ARGV[1])
local was_held = redis.call('HDEL', held, ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return was_held
