-- KEYS: the epoch, then the holders of one lock after the other. ARGV: lease, then an owner for each. Answers 1 or 0 for each.
if not raised_epoch() then
  return not_raised()
end
local now, answers = milliseconds(), {}
local moment = now + tonumber(ARGV[1])
for i = 2, #KEYS do
  local kept, before = string.match(redis.call('HGET', KEYS[i], ARGV[i]) or '', '^(.+) (%d+)$')
  local is_held = kept and tonumber(before) > now
  if is_held then
    redis.call('HSET', KEYS[i], ARGV[i], kept .. ' ' .. moment)
    redis.call('PEXPIREAT', KEYS[i], moment, 'GT')
  end
  answers[i - 1] = is_held and 1 or 0
end
return answers
