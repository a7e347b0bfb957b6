#!lua
--[[ rounds/view: where some entries stand, by Redis's clock.
  KEYS[1] release   hash
  KEYS[2] entering  hash
  KEYS[3] sealed    hash
  KEYS[4] entries   hash
  KEYS[5] bookings  hash
  KEYS[6] rounds    hash  published_at_ms:n
  KEYS[7] members   hash  see lib/group
  KEYS[8] standing  hash  entry_id -> packed standing entry
  KEYS[9] carrying  hash  see lib/carrying
  KEYS[10] audit    stream
  ARGV[.] entry_id, entry_id, …
  REPLY   issued_at_ms for receipts of who is ENTERED (0 for a release that books at once); then
          for each id six in a row: NONE | ENTERED | SEALED | WAITING | OVER | OFFERED | BOOKED
          | CANCELLED | LAPSED | STANDING, then packed entry ('' where gone), packed booking (''
          where none), confirm_by_ms (0 but of offers), ids of its group, the lead's first ('' where
          alone), packed standing entry ('' where none).
          STANDING: only to be carried over to a later release, without an entry here.
          Who is somebody's member stands where the group's entry does.
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
--#include lib/group
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'ends_at_ms', 'ended_at_ms', 'published',
  'confirm_within_ms', 'round', 'phase', 'changing_round', 'series')
if not state[1] then return {} end
-- An entry is over only when no round can give it a seat any more, for its claim ends with it: the
-- round being drawn still can, even after the release's end.
local is_drawing = state[6] == 'DRAWING'
local next_cut = tonumber(state[5]) + (is_drawing and 1 or 0)
local cuts_over = is_past_last_cut(next_cut, tonumber(state[1]), state[2], now, state[7])
local draws_over = cuts_over and not is_drawing

local function offer_of(packed)
  local booking = unpack_booking(packed)
  if not is_published(booking, tonumber(state[3])) then return nil end
  local lapsed = has_lapsed(KEYS[6], booking, state[4], now)
  if not lapsed and booking.state ~= 'OFFERED' then return booking.state, 0 end
  return lapsed and 'LAPSED' or 'OFFERED', confirm_by_ms(KEYS[6], booking.grant, state[4])
end

local function standing_of(id)
  local entry = redis.call('HGET', KEYS[2], id)
  if entry then return { cuts_over and 'OVER' or 'ENTERED', entry, '', 0 } end
  local packed = redis.call('HGET', KEYS[5], id)
  local booked, confirm_by
  if packed then booked, confirm_by = offer_of(packed) end
  if booked then return { booked, redis.call('HGET', KEYS[4], id) or '', packed, confirm_by } end
  entry = redis.call('HGET', KEYS[3], id)
  if entry then return { 'SEALED', entry, '', 0 } end
  entry = redis.call('HGET', KEYS[4], id)
  if entry then return { draws_over and 'OVER' or 'WAITING', entry, '', 0 } end
  return { 'NONE', '', '', 0 }
end

-- On its way into a later release it still stands here, unless it was withdrawn.
local function carried_over(id)
  local standing = redis.call('HGET', KEYS[8], id) or redis.call('HGET', KEYS[9], id) or ''
  return string.sub(standing, 1, 1) == '-' and '' or standing
end

local is_lottery = redis.call('HEXISTS', KEYS[1], 'closes_at_ms') == 1
local reply = { is_lottery and after_last_cut(KEYS[1], KEYS[10]) or 0 }
for _, id in ipairs(ARGV) do
  local lead, group = group_of(KEYS[7], id)
  local standing = standing_of(id)
  if lead and lead ~= id then
    if standing[1] == 'NONE' then standing = standing_of(lead) else group = nil end
  end
  standing[5] = group or ''
  -- What a group stands for is under its lead's id.
  local holder = group and standing[1] ~= 'NONE' and lead or id
  standing[6] = state[8] and carried_over(holder) or ''
  local word = standing[1] == 'NONE' and standing[6] ~= '' and 'STANDING' or standing[1]
  reply[#reply + 1] = word
  for i = 2, 6 do reply[#reply + 1] = standing[i] end
end
return reply
