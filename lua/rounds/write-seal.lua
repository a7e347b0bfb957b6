#!lua
--[[ rounds/write-seal: publish the seal of the round being drawn, once, before its beacon value
  exists.
  KEYS[1] release  hash  round, phase
  KEYS[2] rounds   hash  seal:n
  ARGV[1] round
  ARGV[2] seal     canonical JSON
  REPLY   NOT_DRAWING | SEAL_DIFFERS | WRITTEN     (again with the same seal: WRITTEN)
]]
local state = redis.call('HMGET', KEYS[1], 'round', 'phase')
if state[1] ~= ARGV[1] or state[2] ~= 'DRAWING' then return 'NOT_DRAWING' end
local field = 'seal:' .. ARGV[1]
local held = redis.call('HGET', KEYS[2], field)
if held and held ~= ARGV[2] then return 'SEAL_DIFFERS' end
if not held then redis.call('HSET', KEYS[2], field, ARGV[2]) end
return 'WRITTEN'
