#!lua
--[[ people/keep-beneficiary: the person whom a request has listed is bound.
  KEYS[1] beneficiaries  hash  person -> encrypted record
  KEYS[2] adding         set   requests that may yet bind this person
  ARGV[1] person
  ARGV[2] record   another than it listed them with: who has read that one takes off nothing
  ARGV[3] request
  REPLY   REMOVED | KEPT     (REMOVED: after its lease; again: the same)
]]
redis.call('SREM', KEYS[2], ARGV[3])
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 'REMOVED' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'KEPT'
