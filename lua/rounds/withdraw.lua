#!lua
--[[ rounds/withdraw: take back an entry that has no seat.
  KEYS[1] release          hash  phase, published, confirm_within_ms
  KEYS[2] rounds           hash  published_at_ms:n
  KEYS[3] entering         hash  entry_id -> packed entry
  KEYS[4] sealed           hash  entry_id -> packed entry
  KEYS[5] entries          hash  entry_id -> packed entry
  KEYS[6] bookings         hash  entry_id -> packed booking
  KEYS[7] happened         list  word entry_id
  KEYS[8] happened_sealed  list
  KEYS[9] audit            stream
  ARGV[1] entry_id
  REPLY   ROUND_DRAWING | HAS_BOOKING | ENTRY_UNKNOWN | WITHDRAWN     (first that applies)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
local now = now_ms()
cut_first_round_if_due(KEYS[1], KEYS[3], KEYS[4], KEYS[7], KEYS[8], KEYS[9], now)
local id = ARGV[1]
if redis.call('HDEL', KEYS[3], id) == 0 then
  local state = redis.call('HMGET', KEYS[1], 'phase', 'published', 'confirm_within_ms')
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return 'ROUND_DRAWING' end
  local packed = redis.call('HGET', KEYS[6], id)
  local booking = packed and unpack_booking(packed)
  if booking and is_published(booking, tonumber(state[2])) then
    local over = booking.state == 'CANCELLED' or has_lapsed(KEYS[2], booking, state[3], now)
    return over and 'ENTRY_UNKNOWN' or 'HAS_BOOKING'
  end
  if redis.call('HEXISTS', KEYS[5], id) == 0 then return 'ENTRY_UNKNOWN' end
  if state[1] == 'DRAWING' then return 'ROUND_DRAWING' end
  redis.call('HDEL', KEYS[5], id)
  redis.call('RPUSH', KEYS[7], 'withdrawn ' .. id)
end
redis.call('XADD', KEYS[9], '*', 'e', 'withdrawn ' .. id)
return 'WITHDRAWN'
