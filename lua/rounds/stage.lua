#!lua
--[[ rounds/stage: write part of a round's results where nobody counts them yet. The number of the
  round is the fence: a worker that was overtaken writes nothing.
  KEYS[1] release  hash  round, phase
  KEYS[2] target   hash  tree, bookings, offers, … of the round
  ARGV[1] round
  ARGV[.] field, value, field, value, …
  REPLY   NOT_DRAWING | STAGED
]]
local state = redis.call('HMGET', KEYS[1], 'round', 'phase')
if state[1] ~= ARGV[1] or state[2] ~= 'DRAWING' then return 'NOT_DRAWING' end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 'STAGED'
