#!lua
--[[ rounds/enter: put or edit an entry for the next round: of one person, or of a group. By hand,
  or carried over from another release, which happens once and never changes what is there.
  KEYS[1]  release          hash  times and limits as numbers, round, phase, published
  KEYS[2]  rounds           hash  published_at_ms:n
  KEYS[3]  entering         hash  entry_id -> packed entry
  KEYS[4]  sealed           hash  entry_id -> packed entry
  KEYS[5]  entries          hash  entry_id -> packed entry
  KEYS[6]  bookings         hash  entry_id -> packed booking
  KEYS[7]  accounts         hash  account, or d: and device -> first characters of its entry ids;
                                  n: and network -> people
  KEYS[8]  members          hash  see lib/group
  KEYS[9]  happened         list
  KEYS[10] happened_sealed  list
  KEYS[11] changes          hash  see lib/change
  KEYS[12] standing         hash  entry_id -> packed standing entry
  KEYS[13] withdrawn        set   entry_id, of who withdrew here
  KEYS[14] audit            stream
  ARGV[1] entry_id         that of the lead, who is the first of the entry's persons
  ARGV[2] entry            packed: persons|slot numbers, best first|categories
  ARGV[3] by               account, account|device or account|device|network
  ARGV[4] enter_before_ms  an entry later than this might no longer be covered by its claims
  ARGV[5] standing         packed standing entry; '' for one that is not to be carried over
  ARGV[6] coming           HAND; or, of a standing entry, CARRIED, or PASSED_OVER: it cannot be
                           entered here and only stands on, or ASKED: whether it came, and no more
  ARGV[7] expected         packed entry that this edits, '' where there is none yet; * for whatever
                           is there
  ARGV[.] entry_id, entry_id, …  those that the other persons of the group would have alone
  REPLY   RELEASE_UNKNOWN | HAS_ENTRY | ALREADY_CARRIED entered | NOT_CARRIED | CLAIM_EXPIRED
          | RELEASE_ENDED | RELEASE_NOT_OPEN opens_at_ms | ENTRY_SEALED | HAS_BOOKING
          | SLOTS_CLOSED | ENTRY_LAPSED number | IN_ANOTHER_ENTRY number | PASSED_OVER
          | ENTRY_CHANGED | TOO_MANY_ENTRIES | TOO_MANY_FROM_DEVICE
          | ENTERED result_at_ms issued_at_ms how
          (by hand again with the same entry: ENTERED; carried again: ALREADY_CARRIED, where
          entered is 1 for as long as it may be edited; number: which of the persons, from 0.
          HAS_ENTRY: one that is carried finds that another was put in its place, or withdrawn, by
          any of its people. NOT_CARRIED: to who asks, where neither is so. how: entered, edited,
          carried; or repeated, where it stood there already.)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
--#include lib/group
--#include lib/accounts
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'opens_at_ms', 'ends_at_ms', 'ended_at_ms',
  'entries_per_account', 'next_round_at_ms', 'published', 'confirm_within_ms',
  'changing_round')
if not state[1] then return 'RELEASE_UNKNOWN' end
local id, entry, by_hand = ARGV[1], ARGV[2], ARGV[6] == 'HAND'
local people = { id }
for i = 8, #ARGV do people[#people + 1] = ARGV[i] end

local function is_held(id)
  for _, key in ipairs({ KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[12] }) do
    if redis.call('HEXISTS', key, id) == 1 then return true end
  end
end
-- Whether an entry of any of these people was ever put here, by hand or carried.
local function is_known()
  for _, one in ipairs(people) do
    if is_held(one) or is_held(group_of(KEYS[8], one) or one) then return true end
    if redis.call('SISMEMBER', KEYS[13], one) == 1 then return true end
  end
end
-- First of all, so that whoever takes up what another worker began, or a script that is sent again
-- late, learns that it was done.
if not by_hand and is_known() then
  if redis.call('HGET', KEYS[12], id) ~= ARGV[5] then return 'HAS_ENTRY' end
  return { 'ALREADY_CARRIED', redis.call('HEXISTS', KEYS[3], id) }
end
if ARGV[6] == 'ASKED' then return 'NOT_CARRIED' end
if now > tonumber(ARGV[4]) then return 'CLAIM_EXPIRED' end
if state[3] or now >= tonumber(state[2]) then return 'RELEASE_ENDED' end
if now < tonumber(state[1]) then return { 'RELEASE_NOT_OPEN', tonumber(state[1]) } end
cut_first_round_if_due(KEYS[1], KEYS[3], KEYS[4], KEYS[9], KEYS[10], KEYS[14], now)

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

-- Whoever enters says anew whether they stand for later releases, and says it for all of them, also
-- for the group with which they stand here without an entry.
local function stand()
  for _, one in ipairs(people) do
    redis.call('HDEL', KEYS[12], one, (group_of(KEYS[8], one) or one))
  end
  if ARGV[5] ~= '' then redis.call('HSET', KEYS[12], id, ARGV[5]) end
end

local held = redis.call('HGET', KEYS[3], id)
local function entered(how)
  return { 'ENTERED', result_at_ms(KEYS[1], now), after_last_cut(KEYS[1], KEYS[14]), how }
end
local stands = not held and standing_of(id)
if held == entry then
  redis.call('HSET', KEYS[3], id, entry) -- for whoever waits for replicas (ADR 24)
  stand()
  return entered('repeated')
end
if stands then return { stands, 0 } end
-- Closed slots give nobody a seat any more; one that is not is enough.
if state[8] and ARGV[6] ~= 'PASSED_OVER' then
  local all_closed = true
  for slot in string.gmatch(string.match(entry, '|([%d,]*)|'), '%d+') do
    all_closed = all_closed and redis.call('HEXISTS', KEYS[11], slot) == 1
  end
  if all_closed then return 'SLOTS_CLOSED' end
end

for i, one in ipairs(people) do
  local lead = group_of(KEYS[8], one)
  local elsewhere = one ~= id and standing_of(one) or lead and lead ~= id and standing_of(lead)
  if elsewhere == 'ENTRY_LAPSED' then return { 'ENTRY_LAPSED', i - 1 } end
  if elsewhere then return { 'IN_ANOTHER_ENTRY', i - 1 } end
end
local function join()
  redis.call('HDEL', KEYS[8], id)
  if #people == 1 then return end
  redis.call('HSET', KEYS[8], id, table.concat(people, ','))
  for i = 2, #people do redis.call('HSET', KEYS[8], people[i], id) end
end
if ARGV[6] == 'PASSED_OVER' then
  stand()
  join()
  redis.call('XADD', KEYS[14], '*', 'e', 'passed-over ' .. id)
  return 'PASSED_OVER'
end
if ARGV[7] ~= '*' and ARGV[7] ~= (held or '') then return 'ENTRY_CHANGED' end
local over = overcharged(KEYS[1], KEYS[7], ARGV[3], people, tonumber(state[4]))
if over then return over end
redis.call('HDEL', KEYS[6], unpack(people)) -- bookings that were cancelled
stand()
join()
if now >= tonumber(state[5]) then
  await_others(KEYS[1], KEYS[3], KEYS[4], KEYS[9], KEYS[10], KEYS[14], now)
end
redis.call('HSET', KEYS[3], id, entry)
local event = held and 'edited' or by_hand and 'entered' or 'carried'
-- An id alone has entered: of a line for everybody, each byte counts.
redis.call('XADD', KEYS[14], '*', 'e', event == 'entered' and id or event .. ' ' .. id)
return entered(event)
