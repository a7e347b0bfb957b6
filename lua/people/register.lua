#!lua
--[[ people/register: bind a government ID to one account.
  KEYS[1] person  hash  account, id_type, born_in, registered_at_ms, c (lib/claim)
  ARGV[1] account
  ARGV[2] id_type
  ARGV[3] birth_year
  ARGV[4] abandoned_account    one that was seen not to list this person; '' for none
  ARGV[5] abandoned_at_ms      its registered_at_ms then: whoever registers again has them anew
  ARGV[6] stale_claim          release whose claim was seen to be over; '' for none
  ARGV[7] stale_claimed_at_ms
  REPLY   TAKEN account registered_at_ms now_ms | CLAIMED release claimed_at_ms now_ms
          | REGISTERED registered_at_ms
          (first that applies; again by the same account: REGISTERED. CLAIMED: the account lists
          the person no more, but they were claimed there.)
]]
--#include lib/clock
--#include lib/claim
local now = now_ms()
local held = redis.call('HMGET', KEYS[1], 'account', 'registered_at_ms', 'c')
local holder, held_at = held[1], tonumber(held[2])
if holder and holder ~= ARGV[1] then
  if holder ~= ARGV[4] or held_at ~= tonumber(ARGV[5]) then
    return { 'TAKEN', holder, held_at, now }
  end
  local release, claimed_at = unpack_claim(held[3])
  if release and not (release == ARGV[6] and claimed_at == tonumber(ARGV[7])) then
    return { 'CLAIMED', release, claimed_at, now }
  end
  redis.call('HDEL', KEYS[1], 'c')
end
-- Strictly later than the last, so that one time never stands for two requests.
local at = math.max(now, (held_at or 0) + 1)
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'id_type', ARGV[2], 'born_in', ARGV[3],
  'registered_at_ms', string.format('%.0f', at))
return { 'REGISTERED', at }
