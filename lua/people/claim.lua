#!lua
--[[ people/claim: bind a person to one release, before entering or booking there (F1).
  A claim is never handed back: it is over when its release says so, and may then be taken over.
  Each call renews its time, so that whoever saw an older claim as over fails when somebody has
  used it since.
  KEYS[1] person  hash  account, id_type, born_in, categories, doses, c (lib/claim),
                        cooling_ends_at_ms
  ARGV[1] account
  ARGV[2] release
  ARGV[3] stale_claim      another release whose claim was seen to be over; '' for none
  ARGV[4] stale_claimed_at_ms
  REPLY   NOT_YOURS | COOLING_DOWN until_ms | CLAIMED_ELSEWHERE release claimed_at_ms now_ms
          | CLAIMED claimed_at_ms birth_year id_type categories doses     (first that applies)
]]
--#include lib/clock
--#include lib/claim
local held = redis.call('HMGET', KEYS[1], 'account', 'born_in', 'id_type', 'c', 'categories',
  'doses', 'cooling_ends_at_ms')
if held[1] ~= ARGV[1] then return 'NOT_YOURS' end
local now = now_ms()
if now < (tonumber(held[7]) or 0) then return { 'COOLING_DOWN', tonumber(held[7]) } end
local release, last_ms = unpack_claim(held[4])
if release ~= ARGV[2] and is_other_claim(release, last_ms, ARGV[3], ARGV[4]) then
  return { 'CLAIMED_ELSEWHERE', release, last_ms, now }
end
-- Strictly later than the last, so that one time never stands for two uses.
local claimed_at = math.max(now, (last_ms or 0) + 1)
redis.call('HSET', KEYS[1], 'c', pack_claim(ARGV[2], claimed_at))
return { 'CLAIMED', claimed_at, tonumber(held[2]), held[3], held[5] or '', held[6] or '' }
