#!lua
--[[ people/register: bind a government ID to one account.
  KEYS[1] person  hash  account, id_type, birth_year, registered_at_ms
  ARGV[1] account
  ARGV[2] id_type
  ARGV[3] birth_year
  ARGV[4] abandoned_account  an account that was seen not to list this person; '' for none
  REPLY   REGISTERED | TAKEN account registered_at_ms now_ms
          (again by the same account: REGISTERED)
]]
--#include lib/clock
local now = now_ms()
local holder = redis.call('HGET', KEYS[1], 'account')
if holder and holder ~= ARGV[1] and holder ~= ARGV[4] then
  local at = redis.call('HGET', KEYS[1], 'registered_at_ms')
  return { 'TAKEN', holder, tonumber(at), now }
end
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'id_type', ARGV[2], 'birth_year', ARGV[3],
  'registered_at_ms', string.format('%.0f', now))
return 'REGISTERED'
