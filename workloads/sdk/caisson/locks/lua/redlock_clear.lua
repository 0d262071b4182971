-- ARGV: channel. Ends all holds of one lock on this node: answers the owners.
local owners = redis.call('HKEYS', held)
redis.call('DEL', held)
redis.call('PUBLISH', ARGV[1], 'cleared')
return owners
