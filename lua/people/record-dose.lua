#!lua
--[[ people/record-dose: write down a dose, unless the doses are no longer as they were read.
  KEYS[1] person  hash  doses
  ARGV[1] expected  the doses as they were read, packed; '' for none
  ARGV[2] doses     the same with the new one
  REPLY   RECORDED | ALREADY | CHANGED     (again: ALREADY)
]]
local held = redis.call('HGET', KEYS[1], 'doses') or ''
if held == ARGV[2] then return 'ALREADY' end
if held ~= ARGV[1] then return 'CHANGED' end
redis.call('HSET', KEYS[1], 'doses', ARGV[2])
return 'RECORDED'
