#!lua
--[[ releases/end: end a release before its time: no further entry, booking or round.
  KEYS[1] release  hash
  KEYS[2] audit    stream
  REPLY   UNKNOWN | ENDED ended_at_ms     (again: the first time stands)
]]
--#include lib/clock
if redis.call('EXISTS', KEYS[1]) == 0 then return 'UNKNOWN' end
local now = now_ms()
if redis.call('HSETNX', KEYS[1], 'ended_at_ms', string.format('%.0f', now)) == 1 then
  redis.call('XADD', KEYS[2], '*', 'e', 'ended')
end
return { 'ENDED', tonumber(redis.call('HGET', KEYS[1], 'ended_at_ms')) }
