#!lua
--[[ reconcile/read: what changed in a release since a line of its audit stream, and how all that
  these lines name stands now, at one instant. Every change of a release writes a line, so that
  whoever read it before, however slowly, knows with this all of it as it is at this instant. Writes
  nothing.
  KEYS[1] release          hash  round, phase, published, unexpired_round, ends_at_ms, …;
                                 capacity, free_seats, …: the sums
  KEYS[2] rounds           hash  settling
  KEYS[3] entering         hash  entry_id -> packed entry
  KEYS[4] sealed           hash  entry_id -> packed entry
  KEYS[5] entries          hash  entry_id -> packed entry
  KEYS[6] bookings         hash  entry_id -> packed booking
  KEYS[7] members          hash  see lib/group
  KEYS[8] seats            hash  slot/pool -> free seats
  KEYS[9] happened_sealed  list
  KEYS[10] audit           stream
  ARGV[1] after    id of a line, 0-0 for all
  ARGV[2] at_most  lines
  ARGV[.] what else is read: entry_id, slot/pool, …
  REPLY   UNKNOWN | READ now_ms draws_over phase round published unexpired_round leftover
          capacity free_seats offered_seats booked_seats offered_entries booked_entries more
          lines id line … entries entry_id entering sealed entries booking members … pools
          slot/pool free …
          (lines, entries and pools are counts of what follows; draws_over: 1 where no round gives a
          seat any more; leftover: how many things are there, of sealed, happened_sealed and
          settling, that only a round being drawn has; more: 1 where there are further lines, which
          are to be read next. Members: with those of its group, whose entries are read too; '' for
          what is not there.)
]]
--#include lib/clock
--#include lib/cut
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'round', 'phase', 'published', 'unexpired_round',
  'ends_at_ms', 'ended_at_ms', 'changing_round', 'closes_at_ms')
if not state[1] then return 'UNKNOWN' end
local is_drawing = state[2] == 'DRAWING'
local draws_over
if state[8] then
  local next_cut = tonumber(state[1]) + (is_drawing and 1 or 0)
  draws_over = not is_drawing
    and is_past_last_cut(next_cut, tonumber(state[5]), state[6], now, state[7])
end
local sums = redis.call('HMGET', KEYS[1], 'capacity', 'free_seats', 'offered_seats',
  'booked_seats', 'offered_entries', 'booked_entries')
local leftover = redis.call('EXISTS', KEYS[4], KEYS[9]) + redis.call('HEXISTS', KEYS[2], 'settling')
local lines = redis.call('XRANGE', KEYS[10], '(' .. ARGV[1], '+', 'COUNT', ARGV[2] + 1)
local more = #lines > tonumber(ARGV[2])
if more then lines[#lines] = nil end
local reply = { 'READ', now, draws_over and 1 or 0, state[2], tonumber(state[1]),
  tonumber(state[3]), tonumber(state[4]), leftover, more and 1 or 0, #lines }
for i = 6, 1, -1 do table.insert(reply, 9, sums[i] or '') end

local ids, fields, known = {}, {}, {}
local function ask(name)
  if known[name] then return end
  known[name] = true
  local list = string.find(name, '/', 1, true) and fields or ids
  list[#list + 1] = name
end
for _, line in ipairs(lines) do
  local text = line[2][2]
  reply[#reply + 1] = line[1]
  reply[#reply + 1] = text
  local id = string.match(text, '^[%l-]+ ([%w_-]+)$') or string.match(text, '^[%w_-]+$')
  if id and #id == 22 then ask(id) end
end
for i = 3, #ARGV do ask(ARGV[i]) end
for i = 1, #ids do
  local members = redis.call('HGET', KEYS[7], ids[i]) or ''
  for id in string.gmatch(members, '[^,]+') do ask(id) end
end
reply[#reply + 1] = #ids
for _, id in ipairs(ids) do
  reply[#reply + 1] = id
  for i = 3, 7 do reply[#reply + 1] = redis.call('HGET', KEYS[i], id) or '' end
end
reply[#reply + 1] = #fields
for _, field in ipairs(fields) do
  reply[#reply + 1] = field
  reply[#reply + 1] = redis.call('HGET', KEYS[8], field) or ''
end
return reply
