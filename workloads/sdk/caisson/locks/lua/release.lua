-- ARGV: owner, fair. Answers whether it was held (1 or 0). While the epoch is not raised nobody is granted the lock.
local was_held = redis.call('HDEL', held, ARGV[1])
local epoch = redis.call('EXISTS', queue) == 1 and raised_epoch()
if epoch then
  pass_on(epoch, milliseconds(), ARGV[2] == '1')
end
return was_held
