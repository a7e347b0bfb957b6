#!lua
--[[ releases/lose-seats: take seats from a pool of a lottery under way.
  KEYS[1] release          hash  round, phase, changing_round, next_round_at_ms, …
  KEYS[2] entering         hash
  KEYS[3] sealed           hash
  KEYS[4] happened         list  lost slot/pool seats
  KEYS[5] happened_sealed  list
  KEYS[6] changes          hash  see lib/change
  KEYS[7] resized          hash  slot/pool -> seats, free or held, more than in the manifest
  KEYS[8] audit            stream
  ARGV[1] change                 an id: what is sent again under it is done once
  ARGV[2] slot
  ARGV[3] pool
  ARGV[4] seats
  ARGV[5] manifest_seats         those of the pool
  ARGV[6] dereserve_after_round  of the manifest; '' for none
  REPLY   RELEASE_UNKNOWN | CHANGE_ID_REUSED | LOST round | RELEASE_ENDED | ROUND_DRAWING
          | SLOT_CLOSED round | POOL_TOO_SMALL seats
          (first that applies; again: LOST) The round is the one that settles it; POOL_TOO_SMALL
          says how many seats there are. ROUND_DRAWING: that is not known, for reserves are moving.
]]
--#include lib/clock
--#include lib/cut
--#include lib/change
if redis.call('EXISTS', KEYS[1]) == 0 then return 'RELEASE_UNKNOWN' end
local pool = ARGV[2] .. '/' .. ARGV[3]
local loss = pool .. ' ' .. ARGV[4]
local done = redis.call('HGET', KEYS[6], 'loss:' .. ARGV[1])
if done then
  local settled = string.match(done, '^' .. loss .. ' (%d+)$')
  return settled and { 'LOST', tonumber(settled) } or 'CHANGE_ID_REUSED'
end
local now = now_ms()
local is_drawing =
  cut_first_round_if_due(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8], now)
local round = round_to_settle(KEYS[1], is_drawing, now)
if not round then return 'RELEASE_ENDED' end
if is_drawing and ARGV[6] ~= '' and round - 1 > tonumber(ARGV[6]) then return 'ROUND_DRAWING' end
local closed = redis.call('HGET', KEYS[6], ARGV[2])
if closed then return { 'SLOT_CLOSED', tonumber(closed) } end
local has = ARGV[5] + tonumber(redis.call('HGET', KEYS[7], pool) or 0)
if tonumber(ARGV[4]) > has then return { 'POOL_TOO_SMALL', has } end
redis.call('HINCRBY', KEYS[7], pool, -ARGV[4])
redis.call('HSET', KEYS[6], 'loss:' .. ARGV[1], loss .. ' ' .. round)
redis.call('RPUSH', KEYS[4], 'lost ' .. loss)
redis.call('XADD', KEYS[8], '*', 'e', 'lost ' .. loss)
await_change(KEYS[1], round, is_drawing, now)
return { 'LOST', round }
