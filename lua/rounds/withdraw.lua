#!lua
--[[ rounds/withdraw: take back an entry that has no seat.
  KEYS[1] release          hash
  KEYS[2] entering         hash  entry_id -> packed entry
  KEYS[3] sealed           hash  entry_id -> packed entry
  KEYS[4] entries          hash  entry_id -> packed entry
  KEYS[5] bookings         hash  entry_id -> packed booking
  KEYS[6] happened         list  word entry_id
  KEYS[7] happened_sealed  list
  KEYS[8] audit            stream
  ARGV[1] entry_id
  REPLY   ROUND_DRAWING | HAS_BOOKING | ENTRY_UNKNOWN | WITHDRAWN     (first that applies)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
cut_first_round_if_due(KEYS[1], KEYS[2], KEYS[3], KEYS[6], KEYS[7], now_ms())
local id = ARGV[1]
if redis.call('HDEL', KEYS[2], id) == 0 then
  local state = redis.call('HMGET', KEYS[1], 'phase', 'published')
  if redis.call('HEXISTS', KEYS[3], id) == 1 then return 'ROUND_DRAWING' end
  local packed = redis.call('HGET', KEYS[5], id)
  local booking = packed and unpack_booking(packed)
  if booking and is_published(booking, tonumber(state[2])) then
    local live = booking.state == 'OFFERED' or booking.state == 'BOOKED'
    return live and 'HAS_BOOKING' or 'ENTRY_UNKNOWN'
  end
  if redis.call('HEXISTS', KEYS[4], id) == 0 then return 'ENTRY_UNKNOWN' end
  if state[1] == 'DRAWING' then return 'ROUND_DRAWING' end
  redis.call('HDEL', KEYS[4], id)
  redis.call('RPUSH', KEYS[6], 'withdrawn ' .. id)
end
redis.call('XADD', KEYS[8], '*', 'e', 'withdrawn ' .. id)
return 'WITHDRAWN'
