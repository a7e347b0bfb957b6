#!lua
--[[ people/unregister: free a government ID that has no claim.
  KEYS[1] person  hash  account, claim, claimed_at_ms
  ARGV[1] account
  ARGV[2] stale_claim      release whose claim was seen to be over; '' for none
  ARGV[3] stale_claimed_at_ms
  REPLY   UNREGISTERED | NOT_YOURS | CLAIMED release claimed_at_ms now_ms
]]
--#include lib/clock
local held = redis.call('HMGET', KEYS[1], 'account', 'claim', 'claimed_at_ms')
if not held[1] then return 'UNREGISTERED' end
if held[1] ~= ARGV[1] then return 'NOT_YOURS' end
if held[2] and not (held[2] == ARGV[2] and held[3] == ARGV[3]) then
  return { 'CLAIMED', held[2], tonumber(held[3]), now_ms() }
end
redis.call('DEL', KEYS[1])
return 'UNREGISTERED'
