#!lua
--[[ arrivals/mark-no-shows: write down whose people did not come, and that it is yet to be counted
  for each of them; those who came after all, or hold it no more, are left as they are. Nobody is
  blamed whose code was guessed at until it was taken no more: they may have been sent away. The
  day of all of these is over, so that the booking no longer binds its people: marked for that is
  the entry, of who came as well.
  KEYS[1] bookings  hash    entry_id -> packed booking
  KEYS[2] entries   hash    entry_id -> packed entry
  KEYS[3] visits    hash    entry_id.grant -> packed visit; entry_id -> grant
  KEYS[4] arrival_tries  hash  entry_id.grant -> wrong security codes
  KEYS[5] missed    hash    entry_id.grant -> missed_at_ms persons
  KEYS[6] audit     stream
  ARGV[1] tries     wrong codes after which none is taken
  ARGV[.] entry_id, grant, slot, missed_at_ms, …
  REPLY   MARKED count     (again: none)
]]
--#include lib/booking
--#include lib/visit
local count = 0
for i = 2, #ARGV, 4 do
  local entry_id, grant, slot, missed_at = unpack(ARGV, i, i + 3)
  local id = entry_id .. '.' .. grant
  local packed = redis.call('HGET', KEYS[1], entry_id)
  local booking = packed and unpack_booking(packed)
  local held = booking and booking.state == 'BOOKED' and booking.grant == grant
  local is_same = held and booking.slot == slot
  -- Whatever an operator's change may offer to this entry later, none of it can be confirmed (F1).
  if is_same then redis.call('HSET', KEYS[3], entry_id, grant) end
  local wrong = tonumber(redis.call('HGET', KEYS[4], id)) or 0
  if is_same and wrong < tonumber(ARGV[1]) and redis.call('HEXISTS', KEYS[3], id) == 0 then
    local persons = persons_of(redis.call('HGET', KEYS[2], entry_id))
    redis.call('HSET', KEYS[3], id, pack_visit('NO_SHOW', slot, missed_at, persons))
    redis.call('HSET', KEYS[5], id, missed_at .. ' ' .. persons)
    redis.call('XADD', KEYS[6], '*', 'e', 'no-show ' .. entry_id)
    count = count + 1
  end
end
return { 'MARKED', count }
