#!lua
--[[ rounds/enter: put or edit an entry for the next round: of one person, or of a group.
  KEYS[1]  release          hash  times and limits as numbers, round, phase, published
  KEYS[2]  rounds           hash  published_at_ms:n
  KEYS[3]  entering         hash  entry_id -> packed entry
  KEYS[4]  sealed           hash  entry_id -> packed entry
  KEYS[5]  entries          hash  entry_id -> packed entry
  KEYS[6]  bookings         hash  entry_id -> packed booking
  KEYS[7]  accounts         hash  account, or d: and device -> first characters of its entry ids
  KEYS[8]  members          hash  see lib/group
  KEYS[9]  happened         list
  KEYS[10] happened_sealed  list
  KEYS[11] audit            stream
  ARGV[1] entry_id         that of the lead, who is the first of the entry's persons
  ARGV[2] entry            packed: persons|slot numbers, best first|categories
  ARGV[3] by               account, or account|device
  ARGV[4] enter_before_ms  an entry later than this might no longer be covered by its claims
  ARGV[.] entry_id, entry_id, …  those that the other persons of the group would have alone
  REPLY   CLAIM_EXPIRED | RELEASE_UNKNOWN | RELEASE_ENDED | RELEASE_NOT_OPEN opens_at_ms
          | ENTRY_SEALED | HAS_BOOKING | ENTRY_LAPSED number | IN_ANOTHER_ENTRY number
          | TOO_MANY_ENTRIES | TOO_MANY_FROM_DEVICE
          | ENTERED result_at_ms issued_at_ms
          (again with the same entry: ENTERED; number: which of the persons, from 0)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
--#include lib/group
--#include lib/accounts
local now = now_ms()
if now > tonumber(ARGV[4]) then return 'CLAIM_EXPIRED' end
local state = redis.call('HMGET', KEYS[1], 'opens_at_ms', 'ends_at_ms', 'ended_at_ms',
  'entries_per_account', 'next_round_at_ms', 'published', 'confirm_within_ms')
if not state[1] then return 'RELEASE_UNKNOWN' end
if state[3] or now >= tonumber(state[2]) then return 'RELEASE_ENDED' end
if now < tonumber(state[1]) then return { 'RELEASE_NOT_OPEN', tonumber(state[1]) } end
cut_first_round_if_due(KEYS[1], KEYS[3], KEYS[4], KEYS[9], KEYS[10], KEYS[11], now)

-- Where an entry stands that nobody may put; nothing where it is over or never was.
local function standing_of(id)
  if redis.call('HEXISTS', KEYS[3], id) == 1 then return 'ENTERED' end
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return 'ENTRY_SEALED' end
  local packed = redis.call('HGET', KEYS[6], id)
  local booking = packed and unpack_booking(packed)
  -- An offer that is not published yet changes no answer: nobody may learn half a draw.
  if booking and is_published(booking, tonumber(state[6])) then
    if has_lapsed(KEYS[2], booking, state[7], now) then return 'ENTRY_LAPSED' end
    return booking.state ~= 'CANCELLED' and 'HAS_BOOKING' or nil
  end
  if redis.call('HEXISTS', KEYS[5], id) == 1 then return 'ENTRY_SEALED' end
end

local id, entry = ARGV[1], ARGV[2]
local result_at_ms = math.max(tonumber(state[5]), now)
local held = redis.call('HGET', KEYS[3], id)
local issued_at_ms = after_last_cut(KEYS[1], now)
if held == entry then return { 'ENTERED', result_at_ms, issued_at_ms } end
local standing = not held and standing_of(id)
if standing then return { standing, 0 } end

local people = { id }
for i = 5, #ARGV do people[#people + 1] = ARGV[i] end
for i, one in ipairs(people) do
  local lead = group_of(KEYS[8], one)
  local elsewhere = one ~= id and standing_of(one) or lead and lead ~= id and standing_of(lead)
  if elsewhere == 'ENTRY_LAPSED' then return { 'ENTRY_LAPSED', i - 1 } end
  if elsewhere then return { 'IN_ANOTHER_ENTRY', i - 1 } end
end
local over = overcharged(KEYS[1], KEYS[7], ARGV[3], people, tonumber(state[4]))
if over then return over end
redis.call('HDEL', KEYS[6], unpack(people)) -- bookings that were cancelled
redis.call('HDEL', KEYS[8], id)
if #people > 1 then
  redis.call('HSET', KEYS[8], id, table.concat(people, ','))
  for i = 2, #people do redis.call('HSET', KEYS[8], people[i], id) end
end
redis.call('HSET', KEYS[3], id, entry)
redis.call('XADD', KEYS[11], '*', 'e', (held and 'edited ' or 'entered ') .. id)
return { 'ENTERED', result_at_ms, issued_at_ms }
