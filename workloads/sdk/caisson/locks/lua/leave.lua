-- ARGV: owner, fair. Whatever became of its claim, the owner neither waits nor holds.
leave_queue(ARGV[1])
redis.call('HDEL', held, ARGV[1])
local epoch = redis.call('EXISTS', queue) == 1 and raised_epoch()
if epoch then
  pass_on(epoch, milliseconds(), ARGV[2] == '1')
end
return 1
