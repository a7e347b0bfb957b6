#!lua
--[[ rounds/publish: the flip: all results of a round count from this instant on.
  KEYS[1]  release          hash  round, phase, published, next_round_at_ms, round_every_ms, …
  KEYS[2]  rounds           hash  record:n, digest:n, published_at_ms:n, value_at_ms:n,
                                 settling
  KEYS[3]  sealed           hash  entry_id -> packed entry
  KEYS[4]  entries          hash  entry_id -> packed entry
  KEYS[5]  happened_sealed  list
  KEYS[6]  bookings         hash  entry_id -> packed booking
  KEYS[7]  displaced        hash  of this round: entry_id -> packed booking in place of the one they
                                  held, '' for none; from now on the one they held
  KEYS[8]  displacements    hash  entry_id.grant -> round that took this booking
  KEYS[9]  seats            hash  slot/pool -> free seats
  KEYS[10] resized          hash  slot/pool -> seats, free or held, more than in the manifest
  KEYS[11] audit            stream
  ARGV[1] round
  ARGV[2] record   canonical JSON, without `since`
  ARGV[3] digest
  ARGV[4] offered_seats    of all offers of this round
  ARGV[5] offered_entries  likewise
  ARGV[.] slot/pool, change of its free seats, of its seats by dereserving, slot/pool, …
  REPLY   PUBLISHED published_at_ms | NOT_DRAWING | SEATS_SHORT field
          (again with the same digest: PUBLISHED)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
local round = ARGV[1]
local digest = redis.call('HGET', KEYS[2], 'digest:' .. round)
if digest == ARGV[3] then
  -- For whoever waits for replicas (ADR 24).
  redis.call('HSET', KEYS[2], 'digest:' .. round, digest)
  return { 'PUBLISHED', tonumber(redis.call('HGET', KEYS[2], 'published_at_ms:' .. round)) }
end
local state = redis.call('HMGET', KEYS[1], 'round', 'phase', 'round_every_ms', 'changing_round',
  'value_at_ms')
if state[1] ~= round or state[2] ~= 'DRAWING' then return 'NOT_DRAWING' end
for i = 6, #ARGV, 3 do
  local free = tonumber(redis.call('HGET', KEYS[9], ARGV[i]))
  if free + ARGV[i + 1] < 0 then return { 'SEATS_SHORT', ARGV[i] } end
end
local freed = 0
for i = 6, #ARGV, 3 do
  redis.call('HINCRBY', KEYS[9], ARGV[i], ARGV[i + 1])
  freed = freed + ARGV[i + 1]
  if ARGV[i + 2] ~= '0' then redis.call('HINCRBY', KEYS[10], ARGV[i], ARGV[i + 2]) end
end
redis.call('HINCRBY', KEYS[1], 'free_seats', freed)
redis.call('HINCRBY', KEYS[1], 'offered_seats', ARGV[4])
redis.call('HINCRBY', KEYS[1], 'offered_entries', ARGV[5])
if redis.call('EXISTS', KEYS[4]) == 0 then
  -- The common case of round 0: a million entries change hands in one step.
  if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('RENAME', KEYS[3], KEYS[4]) end
else
  local late = redis.call('HGETALL', KEYS[3])
  for i = 1, #late, 2 do redis.call('HSET', KEYS[4], late[i], late[i + 1]) end
  redis.call('DEL', KEYS[3])
end
local displaced = redis.call('HGETALL', KEYS[7])
for i = 1, #displaced, 2 do
  local id, given = displaced[i], displaced[i + 1]
  local held = redis.call('HGET', KEYS[6], id)
  redis.call('HSET', KEYS[7], id, held)
  local lost = unpack_booking(held)
  add_held(KEYS[1], lost, -1)
  redis.call('HSET', KEYS[8], id .. '.' .. lost.grant, round)
  if given == '' then redis.call('HDEL', KEYS[6], id)
  else redis.call('HSET', KEYS[6], id, given) end
end
redis.call('DEL', KEYS[5])
redis.call('HDEL', KEYS[2], 'settling')
local now = now_ms()
local at = string.format('%.0f', now)
redis.call('HSET', KEYS[2], 'record:' .. round, ARGV[2], 'digest:' .. round, ARGV[3],
  'published_at_ms:' .. round, at, 'value_at_ms:' .. round, state[5])
redis.call('HSET', KEYS[1], 'phase', 'OPEN', 'published', round, 'round', round + 1,
  'next_round_at_ms', string.format('%.0f', now + state[3]))
if tonumber(state[4]) == round + 1 then hurry(KEYS[1], now) end
redis.call('XADD', KEYS[11], '*', 'e', 'drawn ' .. round .. ' ' .. ARGV[3])
return { 'PUBLISHED', now }
