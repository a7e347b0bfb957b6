#!lua
--[[ people/claim: bind a person to one release, before entering or booking there (F1).
  A claim is never handed back: it is over when its release says so, and may then be taken over.
  Each call renews its time, so that whoever saw an older claim as over fails when somebody has
  used it since.
  KEYS[1] person  hash  account, id_type, birth_year, categories, doses, claim, claimed_at_ms,
                        cooling_ends_at_ms
  ARGV[1] account
  ARGV[2] release
  ARGV[3] stale_claim      another release whose claim was seen to be over; '' for none
  ARGV[4] stale_claimed_at_ms
  REPLY   NOT_YOURS | COOLING_DOWN until_ms | CLAIMED_ELSEWHERE release claimed_at_ms now_ms
          | CLAIMED claimed_at_ms birth_year id_type categories doses     (first that applies)
]]
--#include lib/clock
local held = redis.call('HMGET', KEYS[1], 'account', 'birth_year', 'id_type', 'claim',
  'claimed_at_ms', 'categories', 'doses', 'cooling_ends_at_ms')
if held[1] ~= ARGV[1] then return 'NOT_YOURS' end
local now = now_ms()
if now < (tonumber(held[8]) or 0) then return { 'COOLING_DOWN', tonumber(held[8]) } end
if held[4] and held[4] ~= ARGV[2] and not (held[4] == ARGV[3] and held[5] == ARGV[4]) then
  return { 'CLAIMED_ELSEWHERE', held[4], tonumber(held[5]), now }
end
-- Strictly later than the last, so that one time never stands for two uses.
local claimed_at = math.max(now, (tonumber(held[5]) or 0) + 1)
redis.call('HSET', KEYS[1], 'claim', ARGV[2], 'claimed_at_ms', string.format('%.0f', claimed_at))
return { 'CLAIMED', claimed_at, tonumber(held[2]), held[3], held[6] or '', held[7] or '' }
