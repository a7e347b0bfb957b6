#!lua
--[[ rounds/write-seal: publish the seal of the round being drawn, once, before its beacon value
  exists. The first that is written counts.
  KEYS[1] release  hash  round, phase, value_at_ms
  KEYS[2] rounds   hash  seal:n
  ARGV[1] round
  ARGV[2] seal     canonical JSON
  ARGV[3] value_at_ms      when the value that it names comes into being, or sealed_at_ms of one
                           that the operator has
  ARGV[4] write_before_ms  '' for any time
  REPLY   NOT_DRAWING | SEALED seal | TOO_LATE now_ms
          (first that applies) SEALED: this one, or one that was written before. TOO_LATE: seal with
          this time.
]]
--#include lib/clock
local state = redis.call('HMGET', KEYS[1], 'round', 'phase')
if state[1] ~= ARGV[1] or state[2] ~= 'DRAWING' then return 'NOT_DRAWING' end
local field = 'seal:' .. ARGV[1]
local held = redis.call('HGET', KEYS[2], field)
if held then
  redis.call('HSET', KEYS[2], field, held) -- for whoever waits for replicas (ADR 24)
  return { 'SEALED', held }
end
local now = now_ms()
if ARGV[4] ~= '' and now >= tonumber(ARGV[4]) then return { 'TOO_LATE', now } end
redis.call('HSET', KEYS[2], field, ARGV[2])
redis.call('HSET', KEYS[1], 'value_at_ms', ARGV[3])
return { 'SEALED', ARGV[2] }
