#!lua
--[[ bookings/move: exchange a seat that was booked at once for one in another slot, in one step:
  the old one is given back only once there is a new one.
  KEYS[1] release   hash    times as numbers
  KEYS[2] entries   hash    entry_id -> packed entry
  KEYS[3] bookings  hash    entry_id -> packed booking
  KEYS[4] seats     hash    slot/pool -> free seats
  KEYS[5] visits    hash    entry_id.grant -> packed visit
  KEYS[6] audit     stream
  ARGV[1] entry_id
  ARGV[2] grant           of a booking in immediate mode
  ARGV[3] entry           packed, with the new slot
  ARGV[4] from_slot       the one that it has
  ARGV[5] begins_at_ms    when that one begins: then it is too late
  ARGV[6] slot            the new one
  ARGV[.] pool, pool, …   those the person may use, in the order to try
  REPLY   RELEASE_UNKNOWN | RELEASE_ENDED | BOOKING_UNKNOWN | BOOKING_OVER | NOT_MOVABLE
          | SLOT_FULL | MOVED
          (first that applies; again, where it has the slot: MOVED. NOT_MOVABLE: another request
          has moved it.)
]]
--#include lib/clock
--#include lib/booking
local state = redis.call('HMGET', KEYS[1], 'ends_at_ms', 'ended_at_ms')
if not state[1] then return 'RELEASE_UNKNOWN' end
local now = now_ms()
if state[2] or now >= tonumber(state[1]) then return 'RELEASE_ENDED' end
local packed = redis.call('HGET', KEYS[3], ARGV[1])
local booking = packed and unpack_booking(packed)
if not booking or booking.grant ~= ARGV[2] or not is_immediate(booking) then
  return 'BOOKING_UNKNOWN'
end
local visited = redis.call('HEXISTS', KEYS[5], ARGV[1] .. '.' .. ARGV[2]) == 1
if booking.state ~= 'BOOKED' or visited then return 'BOOKING_OVER' end
if booking.slot == ARGV[6] then
  redis.call('HSET', KEYS[3], ARGV[1], packed) -- for whoever waits for replicas (ADR 24)
  return 'MOVED'
end
if booking.slot ~= ARGV[4] then return 'NOT_MOVABLE' end
if now >= tonumber(ARGV[5]) then return 'BOOKING_OVER' end
local pool
for i = 7, #ARGV do
  local free = tonumber(redis.call('HGET', KEYS[4], ARGV[6] .. '/' .. ARGV[i])) or 0
  if free > 0 and not pool then pool = ARGV[i] end
end
if not pool then return 'SLOT_FULL' end
redis.call('HINCRBY', KEYS[4], booking.slot .. '/' .. booking.pool, booking.size)
redis.call('HINCRBY', KEYS[4], ARGV[6] .. '/' .. pool, -booking.size)
booking.slot, booking.pool = ARGV[6], pool
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], pack_booking('BOOKED', booking, now))
redis.call('XADD', KEYS[6], '*', 'e', 'moved ' .. ARGV[1])
return 'MOVED'
