#!lua
--[[ people/register: bind a government ID to one account, which lists the person.
  KEYS[1] person  hash  account, id_type, born_in, registered_at_ms, c (lib/claim)
  ARGV[1] account
  ARGV[2] id_type
  ARGV[3] birth_year
  ARGV[4] bind_before_ms       later than this the account may no longer list the person
  ARGV[5] abandoned_account    one that was seen not to list this person; '' for none
  ARGV[6] abandoned_at_ms      its registered_at_ms then: whoever registers again has them anew
  ARGV[7] stale_claim          release whose claim was seen to be over; '' for none
  ARGV[8] stale_claimed_at_ms
  REPLY   TOO_LATE | TAKEN account registered_at_ms now_ms
          | CLAIMED release claimed_at_ms now_ms | REGISTERED
          (first that applies; again by the same account: REGISTERED. CLAIMED: the account lists
          the person no more, but they were claimed there.)
]]
--#include lib/clock
--#include lib/claim
local now = now_ms()
if now > tonumber(ARGV[4]) then return 'TOO_LATE' end
local held = redis.call('HMGET', KEYS[1], 'account', 'registered_at_ms', 'c')
local holder, held_at = held[1], tonumber(held[2])
if holder and holder ~= ARGV[1] then
  if holder ~= ARGV[5] or held_at ~= tonumber(ARGV[6]) then
    return { 'TAKEN', holder, held_at, now }
  end
  local release, claimed_at = unpack_claim(held[3])
  if is_other_claim(release, claimed_at, ARGV[7], ARGV[8]) then
    return { 'CLAIMED', release, claimed_at, now }
  end
  redis.call('HDEL', KEYS[1], 'c')
end
-- Strictly later than the last, so that one time never stands for two requests.
local at = math.max(now, (held_at or 0) + 1)
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'id_type', ARGV[2], 'born_in', ARGV[3],
  'registered_at_ms', string.format('%.0f', at))
return 'REGISTERED'
