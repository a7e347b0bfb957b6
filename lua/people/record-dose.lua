#!lua
--[[ people/record-dose: write down a dose, unless the doses are no longer as they were read.
  KEYS[1] person  hash  doses
  ARGV[1] expected  the doses as they were read, packed; '' for none
  ARGV[2] doses     the same with the new one
  REPLY   RECORDED | CHANGED     (again: CHANGED, and the dose is there)
]]
if (redis.call('HGET', KEYS[1], 'doses') or '') ~= ARGV[1] then return 'CHANGED' end
redis.call('HSET', KEYS[1], 'doses', ARGV[2])
return 'RECORDED'
