#!lua
--[[ bookings/confirm: turn an offer into a booking before its deadline.
  KEYS[1] release   hash    published, confirm_within_ms, offered_seats, booked_seats, …
  KEYS[2] rounds    hash    published_at_ms:n
  KEYS[3] bookings  hash    entry_id -> packed booking
  KEYS[4] offers    hash    entry_id -> '' of this grant's round
  KEYS[5] displacements  hash  entry_id.grant -> round that took this booking
  KEYS[6] visits    hash    entry_id -> '' or grant, once a dose was given here or a session over
  KEYS[7] audit     stream
  ARGV[1] entry_id
  ARGV[2] grant
  ARGV[3] begins_at_ms  when the slot of this grant does
  REPLY   BOOKING_DISPLACED | BOOKING_UNKNOWN | BOOKED slot | BOOKING_OVER
          | OFFER_TOO_LATE confirm_by_ms
          (first that applies; again: BOOKED, also of a slot that has begun; an offer that lapsed
          is too late ever after)
]]
--#include lib/clock
--#include lib/booking
local packed = redis.call('HGET', KEYS[3], ARGV[1])
local booking = packed and unpack_booking(packed)
local state = redis.call('HMGET', KEYS[1], 'published', 'confirm_within_ms')
if not is_granted(booking, ARGV[2], tonumber(state[1])) then
  local displaced = redis.call('HEXISTS', KEYS[5], ARGV[1] .. '.' .. ARGV[2]) == 1
  return displaced and 'BOOKING_DISPLACED' or 'BOOKING_UNKNOWN'
end
if booking.state == 'BOOKED' then
  redis.call('HSET', KEYS[3], ARGV[1], packed) -- for whoever waits for replicas (ADR 24)
  return { 'BOOKED', tonumber(booking.slot) }
end
if booking.state == 'CANCELLED' then return 'BOOKING_OVER' end
-- A change took the booking on which they came, or did not: they may be elsewhere by now (F1).
if redis.call('HEXISTS', KEYS[6], ARGV[1]) == 1 then return 'BOOKING_OVER' end
local now = now_ms()
if has_lapsed(KEYS[2], booking, state[2], now) then
  return { 'OFFER_TOO_LATE', confirm_by_ms(KEYS[2], booking.grant, state[2]) }
end
-- Nobody can be there in time any more, and it could not be given back either.
if now >= tonumber(ARGV[3]) then return 'BOOKING_OVER' end
-- First what frees memory: after it, a Redis without any left takes the rest.
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], pack_booking('BOOKED', booking, now))
add_held(KEYS[1], booking, -1)
booking.state = 'BOOKED'
add_held(KEYS[1], booking, 1)
redis.call('XADD', KEYS[7], '*', 'e', 'booked ' .. ARGV[1])
return { 'BOOKED', tonumber(booking.slot) }
