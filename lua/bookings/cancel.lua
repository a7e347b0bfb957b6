#!lua
--[[ bookings/cancel: give an offer back, or a booking before its slot begins. In a lottery the
  seat waits for the next round (F5).
  KEYS[1] release   hash    published, confirm_within_ms, free_seats, booked_seats, …
  KEYS[2] rounds    hash    published_at_ms:n
  KEYS[3] entries   hash    entry_id -> packed entry
  KEYS[4] bookings  hash    entry_id -> packed booking
  KEYS[5] offers    hash    entry_id -> '' of this grant's round
  KEYS[6] seats     hash    slot/pool -> free seats
  KEYS[7] happened  list    word entry_id
  KEYS[8] displacements  hash  entry_id.grant -> round that took this booking
  KEYS[9] visits    hash    entry_id.grant -> packed visit
  KEYS[10] audit    stream
  ARGV[1] entry_id
  ARGV[2] grant
  ARGV[3] slot            that it was seen with; '' where there was none
  ARGV[4] begins_at_ms    when that slot begins
  REPLY   BOOKING_DISPLACED | BOOKING_UNKNOWN | CANCELLED | BOOKING_OVER | ROUND_DRAWING
          (first that applies; again: CANCELLED) ROUND_DRAWING: a round that settles an operator's
          changes decides whether this booking still is, or it has come into another slot meanwhile.
]]
--#include lib/clock
--#include lib/booking
local packed = redis.call('HGET', KEYS[4], ARGV[1])
local booking = packed and unpack_booking(packed)
local state = redis.call('HMGET', KEYS[1], 'published', 'confirm_within_ms')
if not is_granted(booking, ARGV[2], tonumber(state[1])) then
  local displaced = redis.call('HEXISTS', KEYS[8], ARGV[1] .. '.' .. ARGV[2]) == 1
  return displaced and 'BOOKING_DISPLACED' or 'BOOKING_UNKNOWN'
end
if booking.state == 'CANCELLED' then
  redis.call('HSET', KEYS[4], ARGV[1], packed) -- for whoever waits for replicas (ADR 24)
  return 'CANCELLED'
end
local now = now_ms()
if has_lapsed(KEYS[2], booking, state[2], now) then return 'BOOKING_OVER' end
-- Who came has used the seat, and who did not come cannot give it back any more.
if redis.call('HEXISTS', KEYS[9], ARGV[1] .. '.' .. ARGV[2]) == 1 then return 'BOOKING_OVER' end
if booking.state == 'BOOKED' then
  if booking.slot ~= ARGV[3] then return 'ROUND_DRAWING' end
  -- Nobody else can come any more: it is kept or missed.
  if now >= tonumber(ARGV[4]) then return 'BOOKING_OVER' end
end
if is_settling(KEYS[2]) then return 'ROUND_DRAWING' end
-- First what frees memory: after it, a Redis without any left takes the rest.
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], pack_booking('CANCELLED', booking, now))
redis.call('HINCRBY', KEYS[6], booking.slot .. '/' .. booking.pool, booking.size)
redis.call('HINCRBY', KEYS[1], 'free_seats', booking.size)
add_held(KEYS[1], booking, -1)
redis.call('HDEL', KEYS[5], ARGV[1])
if not is_immediate(booking) then redis.call('RPUSH', KEYS[7], 'cancelled ' .. ARGV[1]) end
redis.call('XADD', KEYS[10], '*', 'e', 'cancelled ' .. ARGV[1])
return 'CANCELLED'
