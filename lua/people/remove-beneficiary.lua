#!lua
--[[ people/remove-beneficiary: take a person off an account's list, unless they were listed anew.
  KEYS[1] beneficiaries  hash  person -> encrypted record
  ARGV[1] person
  ARGV[2] record  as it was read
  REPLY   REMOVED | LISTED_ANEW     (again: REMOVED)
]]
local listed = redis.call('HGET', KEYS[1], ARGV[1])
if listed and listed ~= ARGV[2] then return 'LISTED_ANEW' end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'REMOVED'
