#!lua
--[[ people/unregister: free a government ID that has no claim.
  KEYS[1] person  hash  account, registered_at_ms, claim, claimed_at_ms
  ARGV[1] account
  ARGV[2] stale_claim      release whose claim was seen to be over; '' for none
  ARGV[3] stale_claimed_at_ms
  ARGV[4] registered_at_ms only what was registered then; '' for whenever it was
  REPLY   UNREGISTERED | NOT_YOURS | CLAIMED release claimed_at_ms now_ms
]]
--#include lib/clock
local held = redis.call('HMGET', KEYS[1], 'account', 'claim', 'claimed_at_ms', 'registered_at_ms')
if not held[1] then return 'UNREGISTERED' end
if held[1] ~= ARGV[1] or (ARGV[4] ~= '' and held[4] ~= ARGV[4]) then return 'NOT_YOURS' end
if held[2] and not (held[2] == ARGV[2] and held[3] == ARGV[3]) then
  return { 'CLAIMED', held[2], tonumber(held[3]), now_ms() }
end
-- What an operator attested of this ID stays: it says nothing of an account. So do its doses and
-- missed seats. Whoever registers the ID next learns of its doses: the person is the ID, so they
-- are theirs. And missed seats would be shed by registering anew.
redis.call('HDEL', KEYS[1], 'account', 'id_type', 'birth_year', 'registered_at_ms', 'claim',
  'claimed_at_ms')
return 'UNREGISTERED'
