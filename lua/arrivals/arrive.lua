#!lua
--[[ arrivals/arrive: say that the people of a booking are there. Counts wrong security codes in the
  same step, so that no number of requests at once gets more tries than there are.
  KEYS[1] release        hash    published
  KEYS[2] bookings       hash    entry_id -> packed booking
  KEYS[3] entries        hash    entry_id -> packed entry
  KEYS[4] visits         hash    entry_id.grant -> packed visit
  KEYS[5] arrival_tries  hash    entry_id.grant -> wrong security codes
  KEYS[6] attended       set     place
  KEYS[7] audit          stream
  ARGV[1] entry_id
  ARGV[2] grant
  ARGV[3] slot      that the booking was read with; '' where there was none
  ARGV[4] place     centre/date of that slot
  ARGV[5] from_ms   when the day of the slot begins
  ARGV[6] until_ms  and ends
  ARGV[7] is_right  1 where the security code is that of this booking
  ARGV[8] tries
  REPLY   SLOT_CHANGED | NOT_TODAY | TRIES_SPENT | CODE_WRONG tries_left | NOT_BOOKED
          | ARRIVED slot persons is_new
          (first that applies; again: ARRIVED, is_new 0) NOT_TODAY: no code is looked at, so
          none is tried. CODE_WRONG: also where there is no such booking; of one whose people
          have arrived it uses up no try.
]]
--#include lib/clock
--#include lib/booking
--#include lib/visit
local id = ARGV[1] .. '.' .. ARGV[2]
local visit = redis.call('HGET', KEYS[4], id)
visit = visit and unpack_visit(visit)
local packed = redis.call('HGET', KEYS[2], ARGV[1])
local booking = packed and unpack_booking(packed)
local published = tonumber(redis.call('HGET', KEYS[1], 'published'))
if not is_granted(booking, ARGV[2], published) then booking = nil end
-- Who came stays one who came, whatever becomes of the seat.
if visit and visit.state == 'ARRIVED' then booking = { state = 'BOOKED', slot = visit.slot } end
local now = now_ms()
if booking and booking.slot ~= ARGV[3] then return 'SLOT_CHANGED' end
local is_today = tonumber(ARGV[5]) <= now and now < tonumber(ARGV[6])
if booking and not is_today then return 'NOT_TODAY' end

-- Who has arrived has nothing left to guess at: a wrong code counts for its key alone.
if visit and visit.state == 'ARRIVED' then
  if ARGV[7] ~= '1' then return { 'CODE_WRONG', ARGV[8] - 1 } end
  return { 'ARRIVED', tonumber(visit.slot), visit.persons, 0 }
end
local left = ARGV[8] - (tonumber(redis.call('HGET', KEYS[5], id)) or 0)
if left <= 0 then return 'TRIES_SPENT' end
if not booking or ARGV[7] ~= '1' then
  redis.call('HINCRBY', KEYS[5], id, 1)
  return { 'CODE_WRONG', left - 1 }
end
if booking.state ~= 'BOOKED' or visit then return 'NOT_BOOKED' end
local persons = persons_of(redis.call('HGET', KEYS[3], ARGV[1]))
redis.call('HSET', KEYS[4], id, pack_visit('ARRIVED', booking.slot, now, persons))
redis.call('SADD', KEYS[6], ARGV[4])
redis.call('XADD', KEYS[7], '*', 'e', 'arrived ' .. ARGV[1])
return { 'ARRIVED', tonumber(booking.slot), persons, 1 }
