#!lua
--[[ people/add-beneficiary: list a person under an account, within its limit.
  KEYS[1] beneficiaries  hash  person -> encrypted record
  ARGV[1] person
  ARGV[2] record
  ARGV[3] limit
  ARGV[4] replaces  '' to leave the record of who is listed as it is
  REPLY   LISTED | TOO_MANY | ADDED     (first that applies; again where it replaces: ADDED)
]]
local listed = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if listed and ARGV[4] == '' then return 'LISTED' end
local full = redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3])
if full and not listed then return 'TOO_MANY' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'ADDED'
