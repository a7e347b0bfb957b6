#!lua
--[[ people/unregister: free a government ID that has no claim.
  KEYS[1] person  hash  account, registered_at_ms, c (lib/claim)
  ARGV[1] account
  ARGV[2] stale_claim          release whose claim was seen to be over; '' for none
  ARGV[3] stale_claimed_at_ms
  REPLY   UNREGISTERED | NOT_YOURS | CLAIMED release claimed_at_ms now_ms
]]
--#include lib/clock
--#include lib/claim
local held = redis.call('HMGET', KEYS[1], 'account', 'c')
if not held[1] then return 'UNREGISTERED' end
if held[1] ~= ARGV[1] then return 'NOT_YOURS' end
local release, claimed_at = unpack_claim(held[2])
if is_other_claim(release, claimed_at, ARGV[2], ARGV[3]) then
  return { 'CLAIMED', release, claimed_at, now_ms() }
end
-- What an operator attested of this ID stays: it says nothing of an account. So do its doses and
-- missed seats. Whoever registers the ID next learns of its doses: the person is the ID, so they
-- are theirs. And missed seats would be shed by registering anew.
redis.call('HDEL', KEYS[1], 'account', 'id_type', 'born_in', 'registered_at_ms', 'c')
return 'UNREGISTERED'
