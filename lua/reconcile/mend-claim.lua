#!lua
--[[ reconcile/mend-claim: bind a person to the release in which they were seen to live, or drop a
  claim of a release that does not exist; if the claim is as it was read.
  KEYS[1] person  hash  account, c (lib/claim)
  ARGV[1] account        as it was read
  ARGV[2] claim          likewise; '' for none
  ARGV[3] claimed_at_ms  likewise
  ARGV[4] release        the claim that it must be; '' to drop it
  REPLY   CHANGED | MENDED     (again: CHANGED)
]]
--#include lib/clock
--#include lib/claim
local held = redis.call('HMGET', KEYS[1], 'account', 'c')
local release, claimed_at = unpack_claim(held[2])
if (held[1] or '') ~= ARGV[1] or (release or '') ~= ARGV[2] then return 'CHANGED' end
if claimed_at ~= tonumber(ARGV[3]) then return 'CHANGED' end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], 'c')
else
  redis.call('HSET', KEYS[1], 'c', pack_claim(ARGV[4], now_ms()))
end
return 'MENDED'
