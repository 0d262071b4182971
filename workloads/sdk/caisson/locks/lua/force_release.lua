-- ARGV: fair. Ends all holds of one lock: answers how many.
local now = milliseconds()
local ended = look(now).holders
redis.call('DEL', held)
local epoch = redis.call('EXISTS', queue) == 1 and raised_epoch()
if epoch then
  pass_on(epoch, now, ARGV[1] == '1')
end
return ended
