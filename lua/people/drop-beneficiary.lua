#!lua
--[[ people/drop-beneficiary: take off the list whom a request has listed and cannot bind: they are
  another account's. Nothing where its lease is over, or another request may yet bind them or has.
  KEYS[1] beneficiaries  hash  person -> encrypted record
  KEYS[2] adding         set   requests that may yet bind this person
  ARGV[1] person
  ARGV[2] record   that the list had then
  ARGV[3] request
  REPLY   DROPPED | LEFT     (again: LEFT)
]]
local is_leased = redis.call('SREM', KEYS[2], ARGV[3]) == 1
if not is_leased or redis.call('EXISTS', KEYS[2]) == 1 then return 'LEFT' end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 'LEFT' end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'DROPPED'
