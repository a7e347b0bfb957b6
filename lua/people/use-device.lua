#!lua
--[[ people/use-device: let an account sign in on a device, if it has before or there is room.
  KEYS[1] device_accounts  set  accounts that ever signed in on it
  ARGV[1] account
  ARGV[2] limit
  ARGV[3] lifetime_ms
  REPLY   ADMITTED | TOO_MANY
]]
local known = redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1
if not known and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 'TOO_MANY' end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'ADMITTED'
