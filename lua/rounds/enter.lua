#!lua
--[[ rounds/enter: put or edit an entry for the next round.
  KEYS[1]  release          hash  times and limits as numbers, round, phase, published
  KEYS[2]  rounds           hash  published_at_ms:n
  KEYS[3]  entering         hash  entry_id -> packed entry
  KEYS[4]  sealed           hash  entry_id -> packed entry
  KEYS[5]  entries          hash  entry_id -> packed entry
  KEYS[6]  bookings         hash  entry_id -> packed booking
  KEYS[7]  accounts         hash  account -> first characters of its entry ids
  KEYS[8]  happened         list
  KEYS[9]  happened_sealed  list
  KEYS[10] audit            stream
  ARGV[1] entry_id
  ARGV[2] entry            packed: persons|slot numbers, best first|categories
  ARGV[3] account
  ARGV[4] enter_before_ms  an entry later than this might no longer be covered by its claim
  REPLY   CLAIM_EXPIRED | RELEASE_UNKNOWN | RELEASE_ENDED | RELEASE_NOT_OPEN opens_at_ms
          | ENTRY_SEALED | HAS_BOOKING | ENTRY_LAPSED | TOO_MANY_ENTRIES
          | ENTERED result_at_ms     (again with the same entry: ENTERED)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
--#include lib/accounts
local now = now_ms()
if now > tonumber(ARGV[4]) then return 'CLAIM_EXPIRED' end
local state = redis.call('HMGET', KEYS[1], 'opens_at_ms', 'ends_at_ms', 'ended_at_ms',
  'entries_per_account', 'next_round_at_ms', 'published', 'confirm_within_ms')
if not state[1] then return 'RELEASE_UNKNOWN' end
if state[3] or now >= tonumber(state[2]) then return 'RELEASE_ENDED' end
if now < tonumber(state[1]) then return { 'RELEASE_NOT_OPEN', tonumber(state[1]) } end
cut_first_round_if_due(KEYS[1], KEYS[3], KEYS[4], KEYS[8], KEYS[9], KEYS[10], now)

local id, entry = ARGV[1], ARGV[2]
local result_at_ms = math.max(tonumber(state[5]), now)
local held = redis.call('HGET', KEYS[3], id)
if held == entry then return { 'ENTERED', result_at_ms } end
if not held then
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return 'ENTRY_SEALED' end
  local packed = redis.call('HGET', KEYS[6], id)
  local booking = packed and unpack_booking(packed)
  -- An offer that is not published yet changes no answer: nobody may learn half a draw.
  if booking and is_published(booking, tonumber(state[6])) then
    if has_lapsed(KEYS[2], booking, state[7], now) then return 'ENTRY_LAPSED' end
    if booking.state ~= 'CANCELLED' then return 'HAS_BOOKING' end
  elseif redis.call('HEXISTS', KEYS[5], id) == 1 then
    return 'ENTRY_SEALED'
  end
  if not charge_account(KEYS[7], ARGV[3], id, tonumber(state[4])) then return 'TOO_MANY_ENTRIES' end
  redis.call('HDEL', KEYS[6], id)
end
redis.call('HSET', KEYS[3], id, entry)
redis.call('XADD', KEYS[10], '*', 'e', (held and 'edited ' or 'entered ') .. id)
return { 'ENTERED', result_at_ms }
