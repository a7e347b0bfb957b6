#!lua
--[[ rounds/view: where some entries stand, by Redis's clock.
  KEYS[1] release   hash
  KEYS[2] entering  hash
  KEYS[3] sealed    hash
  KEYS[4] entries   hash
  KEYS[5] bookings  hash
  KEYS[6] rounds    hash  published_at_ms:n
  ARGV[.] entry_id, entry_id, …
  REPLY   for each id four in a row: NONE | ENTERED | SEALED | WAITING | OVER | OFFERED | BOOKED
          | CANCELLED | LAPSED, then packed entry ('' where gone), packed booking ('' where
          none), confirm_by_ms (0 where none)
]]
--#include lib/clock
--#include lib/booking
local now = now_ms()
local state =
  redis.call('HMGET', KEYS[1], 'ends_at_ms', 'ended_at_ms', 'published', 'confirm_within_ms')
if not state[1] then return {} end
local ended = state[2] or now >= tonumber(state[1])

local function offer_of(id, packed)
  local booking = unpack_booking(packed)
  if not is_published(booking, tonumber(state[3])) then return nil end
  if booking.state ~= 'OFFERED' then return booking.state, 0 end
  local published_at = redis.call('HGET', KEYS[6], 'published_at_ms:' .. booking.grant)
  local confirm_by = tonumber(published_at) + tonumber(state[4])
  return now > confirm_by and 'LAPSED' or 'OFFERED', confirm_by
end

local reply = {}
for _, id in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[2], id)
  local packed, word, confirm_by = false, 'NONE', 0
  if entry then
    word = ended and 'OVER' or 'ENTERED'
  else
    packed = redis.call('HGET', KEYS[5], id)
    local booked
    if packed then booked, confirm_by = offer_of(id, packed) end
    if booked then
      word, entry = booked, redis.call('HGET', KEYS[4], id)
    else
      packed, confirm_by = false, 0
      entry = redis.call('HGET', KEYS[3], id)
      if entry then
        word = 'SEALED'
      else
        entry = redis.call('HGET', KEYS[4], id)
        if entry then word = ended and 'OVER' or 'WAITING' end
      end
    end
  end
  local fields = { word, entry or '', packed or '', confirm_by }
  for i = 1, #fields do reply[#reply + 1] = fields[i] end
end
return reply
