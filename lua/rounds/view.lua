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
--#include lib/cut
--#include lib/booking
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'ends_at_ms', 'ended_at_ms', 'published',
  'confirm_within_ms', 'round', 'phase')
if not state[1] then return {} end
-- An entry is over only when no round can give it a seat any more, for its claim ends with it: the
-- round being drawn still can, even after the release's end.
local cuts_over = is_past_last_cut(tonumber(state[5]), tonumber(state[1]), state[2], now)
local draws_over = cuts_over and state[6] ~= 'DRAWING'

local function offer_of(packed)
  local booking = unpack_booking(packed)
  if not is_published(booking, tonumber(state[3])) then return nil end
  if has_lapsed(KEYS[6], booking, state[4], now) then return 'LAPSED', 0 end
  if booking.state ~= 'OFFERED' then return booking.state, 0 end
  return 'OFFERED', confirm_by_ms(KEYS[6], booking.grant, state[4])
end

local reply = {}
for _, id in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[2], id)
  local packed, word, confirm_by = false, 'NONE', 0
  if entry then
    word = cuts_over and 'OVER' or 'ENTERED'
  else
    packed = redis.call('HGET', KEYS[5], id)
    local booked
    if packed then booked, confirm_by = offer_of(packed) end
    if booked then
      word, entry = booked, redis.call('HGET', KEYS[4], id)
    else
      packed, confirm_by = false, 0
      entry = redis.call('HGET', KEYS[3], id)
      if entry then
        word = 'SEALED'
      else
        entry = redis.call('HGET', KEYS[4], id)
        if entry then word = draws_over and 'OVER' or 'WAITING' end
      end
    end
  end
  local fields = { word, entry or '', packed or '', confirm_by }
  for i = 1, #fields do reply[#reply + 1] = fields[i] end
end
return reply
