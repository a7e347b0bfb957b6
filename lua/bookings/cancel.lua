#!lua
--[[ bookings/cancel: give an offer or a booking back. In a lottery the seat waits for the
  next round (F5).
  KEYS[1] release   hash    published
  KEYS[2] entries   hash    entry_id -> packed entry
  KEYS[3] bookings  hash    entry_id -> packed booking
  KEYS[4] offers    hash    entry_id -> '' of this grant's round
  KEYS[5] seats     hash    slot/pool -> free seats
  KEYS[6] happened  list    word entry_id
  KEYS[7] audit     stream
  ARGV[1] entry_id
  ARGV[2] grant
  REPLY   BOOKING_UNKNOWN | CANCELLED | BOOKING_OVER     (first that applies; again: CANCELLED)
]]
--#include lib/clock
--#include lib/booking
local packed = redis.call('HGET', KEYS[3], ARGV[1])
local booking = packed and unpack_booking(packed)
local published = tonumber(redis.call('HGET', KEYS[1], 'published'))
if not is_granted(booking, ARGV[2], published) then return 'BOOKING_UNKNOWN' end
if booking.state == 'CANCELLED' then return 'CANCELLED' end
if booking.state == 'LAPSED' then return 'BOOKING_OVER' end
redis.call('HSET', KEYS[3], ARGV[1], pack_booking('CANCELLED', booking, now_ms()))
redis.call('HINCRBY', KEYS[5], booking.slot .. '/' .. booking.pool, booking.size)
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if not is_immediate(booking) then redis.call('RPUSH', KEYS[6], 'cancelled ' .. ARGV[1]) end
redis.call('XADD', KEYS[7], '*', 'e', 'cancelled ' .. ARGV[1])
return 'CANCELLED'
