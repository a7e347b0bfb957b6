#!lua
--[[ releases/lose-seats: take seats from pools of a lottery under way, all of them or none.
  KEYS[1] release          hash  round, phase, changing_round, next_round_at_ms, …
  KEYS[2] entering         hash
  KEYS[3] sealed           hash
  KEYS[4] happened         list  lost slot/pool seats
  KEYS[5] happened_sealed  list
  KEYS[6] changes          hash  see lib/change
  KEYS[7] moved            hash  slot/pool -> seats that dereserving moved in, or out
  KEYS[8] audit            stream
  ARGV[1] change_id        whatever is sent again under the same id is done once
  ARGV[2] dereserve_after_round  of the manifest; '' for none
  ARGV[.] slot, pool, seats, seats of the pool in the manifest, slot, pool, …   each pool once
  REPLY   RELEASE_UNKNOWN | LOST round round_at_ms | RELEASE_ENDED | ROUND_DRAWING
          | SLOT_CLOSED slot | POOL_TOO_SMALL slot pool seats
          (first that applies; the first LOST: again) POOL_TOO_SMALL says how many seats it has.
]]
--#include lib/clock
--#include lib/cut
--#include lib/change
if redis.call('EXISTS', KEYS[1]) == 0 then return 'RELEASE_UNKNOWN' end
local now = now_ms()
local done = redis.call('HGET', KEYS[6], 'did:' .. ARGV[1])
if done then return { 'LOST', tonumber(done), now } end
local drawing =
  cut_first_round_if_due(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8], now)
local round = round_to_change(KEYS[1], drawing, now)
if not round then return 'RELEASE_ENDED' end
-- Until it is published nobody can say how many seats a round that dereserves leaves to each pool.
if drawing and ARGV[2] ~= '' and round - 1 > tonumber(ARGV[2]) then return 'ROUND_DRAWING' end
for i = 3, #ARGV, 4 do
  local slot, pool = ARGV[i], ARGV[i + 1]
  local field = slot .. '/' .. pool
  if redis.call('HEXISTS', KEYS[6], slot) == 1 then return { 'SLOT_CLOSED', tonumber(slot) } end
  local lost = tonumber(redis.call('HGET', KEYS[6], field) or 0)
  local has = ARGV[i + 3] + tonumber(redis.call('HGET', KEYS[7], field) or 0) - lost
  if tonumber(ARGV[i + 2]) > has then
    return { 'POOL_TOO_SMALL', tonumber(slot), tonumber(pool), has }
  end
end
for i = 3, #ARGV, 4 do
  local field = ARGV[i] .. '/' .. ARGV[i + 1]
  redis.call('HINCRBY', KEYS[6], field, ARGV[i + 2])
  redis.call('RPUSH', KEYS[4], 'lost ' .. field .. ' ' .. ARGV[i + 2])
  redis.call('XADD', KEYS[8], '*', 'e', 'lost ' .. field .. ' ' .. ARGV[i + 2])
end
redis.call('HSET', KEYS[6], 'did:' .. ARGV[1], round)
return { 'LOST', round, await_change(KEYS[1], round, drawing, now) }
