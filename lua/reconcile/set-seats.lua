#!lua
--[[ reconcile/set-seats: set a count of free seats right that was proved to be wrong, if nothing
  has changed in the release since: every change writes a line to its audit stream.
  KEYS[1] release  hash    phase
  KEYS[2] seats    hash    slot/pool -> free seats
  KEYS[3] audit    stream
  ARGV[1] place    slot/pool
  ARGV[2] found    the count as it was read; '' for none
  ARGV[3] seats    what it must be
  ARGV[4] after    id of the last line when all of it was read
  ARGV[5] kind     seats-low or seats-high
  REPLY   CHANGED | MENDED line     (again: CHANGED) The line is the id of the one that this writes.
]]
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
if not last or last[1] ~= ARGV[4] then return 'CHANGED' end
if redis.call('HGET', KEYS[1], 'phase') ~= 'OPEN' then return 'CHANGED' end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[2] then return 'CHANGED' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local from_to = ARGV[2] .. ' ' .. ARGV[3]
local line = 'repaired ' .. ARGV[5] .. ' ' .. ARGV[1] .. ' ' .. from_to
return { 'MENDED', redis.call('XADD', KEYS[3], '*', 'e', line) }
