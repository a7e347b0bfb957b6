#!lua
--[[ reconcile/set-sums: set the sums of a release right, which are for whoever only counts, if
  nothing has changed in it since all that they follow from was read: every change writes a line to
  its audit stream.
  KEYS[1] release  hash    phase, free_seats, offered_seats, booked_seats, offered_entries,
                           booked_entries, capacity
  KEYS[2] audit    stream
  ARGV[1] after    id of the last line when all of it was read
  ARGV[.] field, value, field, value, …
  REPLY   CHANGED | MENDED line     (again: CHANGED) The line is the id of the one that this writes.
]]
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if not last or last[1] ~= ARGV[1] then return 'CHANGED' end
if redis.call('HGET', KEYS[1], 'phase') ~= 'OPEN' then return 'CHANGED' end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return { 'MENDED', redis.call('XADD', KEYS[2], '*', 'e', 'repaired sums-differ release') }
