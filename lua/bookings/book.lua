#!lua
--[[ bookings/book: take a free seat at once (immediate mode).
  KEYS[1] release   hash    mode, times and limits as numbers
  KEYS[2] entries   hash    entry_id -> packed entry
  KEYS[3] bookings  hash    entry_id -> packed booking
  KEYS[4] seats     hash    slot/pool -> free seats
  KEYS[5] accounts  hash    account, or d: and device -> first characters of its entry ids;
                            n: and network -> people
  KEYS[6] audit     stream
  ARGV[1] entry_id
  ARGV[2] entry           packed
  ARGV[3] by              account, account|device or account|device|network
  ARGV[4] enter_before_ms end of the claim's lease
  ARGV[5] grant           i and a nonce of this request
  ARGV[6] slot
  ARGV[.] pool, pool, …   those the person may use, in the order to try
  REPLY   CLAIM_EXPIRED | RELEASE_UNKNOWN | RELEASE_ENDED | RELEASE_NOT_OPEN opens_at_ms
          | BOOKED grant | HAS_BOOKING | SLOT_FULL | TOO_MANY_ENTRIES | TOO_MANY_FROM_DEVICE
          (first that applies; again with the same grant: BOOKED)
]]
--#include lib/clock
--#include lib/booking
--#include lib/accounts
local now = now_ms()
if now > tonumber(ARGV[4]) then return 'CLAIM_EXPIRED' end
local state =
  redis.call('HMGET', KEYS[1], 'opens_at_ms', 'ends_at_ms', 'ended_at_ms', 'entries_per_account')
if not state[1] then return 'RELEASE_UNKNOWN' end
if state[3] or now >= tonumber(state[2]) then return 'RELEASE_ENDED' end
if now < tonumber(state[1]) then return { 'RELEASE_NOT_OPEN', tonumber(state[1]) } end
local id = ARGV[1]
local packed = redis.call('HGET', KEYS[3], id)
local held = packed and unpack_booking(packed)
if held and held.state == 'BOOKED' then
  return held.grant == ARGV[5] and { 'BOOKED', held.grant } or 'HAS_BOOKING'
end
local pool
for i = 7, #ARGV do
  local free = tonumber(redis.call('HGET', KEYS[4], ARGV[6] .. '/' .. ARGV[i])) or 0
  if free > 0 and not pool then pool = ARGV[i] end
end
if not pool then return 'SLOT_FULL' end
local over = overcharged(KEYS[1], KEYS[5], ARGV[3], { id }, tonumber(state[4]))
if over then return over end
local booking = { grant = ARGV[5], slot = ARGV[6], pool = pool, size = 1 }
redis.call('HINCRBY', KEYS[4], booking.slot .. '/' .. pool, -1)
redis.call('HSET', KEYS[2], id, ARGV[2])
redis.call('HSET', KEYS[3], id, pack_booking('BOOKED', booking, now))
redis.call('XADD', KEYS[6], '*', 'e', 'booked ' .. id)
return { 'BOOKED', booking.grant }
