#!lua
--[[ people/register: bind a government ID to one account.
  KEYS[1] person  hash  account, id_type, birth_year, registered_at_ms
  ARGV[1] account
  ARGV[2] id_type
  ARGV[3] birth_year
  ARGV[4] abandoned_account  an account that was seen not to list this person; '' for none
  REPLY   REGISTERED registered_at_ms | TAKEN account registered_at_ms now_ms
          (again by the same account: REGISTERED)
]]
--#include lib/clock
local now = now_ms()
local held = redis.call('HMGET', KEYS[1], 'account', 'registered_at_ms')
local holder, held_at = held[1], tonumber(held[2])
if holder and holder ~= ARGV[1] and holder ~= ARGV[4] then
  return { 'TAKEN', holder, held_at, now }
end
-- Strictly later than the last, so that one time never stands for two requests.
local at = math.max(now, (held_at or 0) + 1)
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'id_type', ARGV[2], 'birth_year', ARGV[3],
  'registered_at_ms', string.format('%.0f', at))
return { 'REGISTERED', at }
