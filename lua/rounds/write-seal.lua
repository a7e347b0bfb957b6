#!lua
--[[ rounds/write-seal: publish the seal of the round being drawn, once, before its beacon value
  exists.
  KEYS[1] release  hash  round, phase, sealed_at_ms
  KEYS[2] rounds   hash  seal:n
  ARGV[1] round
  ARGV[2] seal     canonical JSON
  ARGV[3] write_before_ms  when the value that the seal names comes into being; '' for any time
  REPLY   NOT_DRAWING | SEAL_DIFFERS | WRITTEN | TOO_LATE sealed_at_ms
          (first that applies; again with the same seal: WRITTEN) TOO_LATE: seal with this time.
]]
--#include lib/clock
local state = redis.call('HMGET', KEYS[1], 'round', 'phase')
if state[1] ~= ARGV[1] or state[2] ~= 'DRAWING' then return 'NOT_DRAWING' end
local field = 'seal:' .. ARGV[1]
local held = redis.call('HGET', KEYS[2], field)
if held then return held == ARGV[2] and 'WRITTEN' or 'SEAL_DIFFERS' end
local now = now_ms()
if ARGV[3] ~= '' and now >= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'sealed_at_ms', string.format('%.0f', now))
  return { 'TOO_LATE', now }
end
redis.call('HSET', KEYS[2], field, ARGV[2])
return 'WRITTEN'
