#!lua
--[[ gates/give-back: take one off a counter whose window has not ended.
  KEYS[1] counter  string
  REPLY   GIVEN_BACK | NOTHING
]]
if (tonumber(redis.call('GET', KEYS[1])) or 0) < 1 then return 'NOTHING' end
redis.call('DECR', KEYS[1])
return 'GIVEN_BACK'
