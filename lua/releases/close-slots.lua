#!lua
--[[ releases/close-slots: close slots of a lottery under way, all of them or none.
  KEYS[1] release          hash  round, phase, changing_round, next_round_at_ms, …
  KEYS[2] entering         hash
  KEYS[3] sealed           hash
  KEYS[4] happened         list  closed slot
  KEYS[5] happened_sealed  list
  KEYS[6] changes          hash  see lib/change
  KEYS[7] audit            stream
  ARGV[.] slot, slot, …
  REPLY   RELEASE_UNKNOWN | RELEASE_ENDED | CLOSED round round …
          (first that applies; again: CLOSED) For each slot the round that settles its closing, a
          past one where it was closed before; closed slots alone never meet RELEASE_ENDED.
]]
--#include lib/clock
--#include lib/cut
--#include lib/change
if redis.call('EXISTS', KEYS[1]) == 0 then return 'RELEASE_UNKNOWN' end
local now = now_ms()
local is_drawing =
  cut_first_round_if_due(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7], now)
local round = round_to_settle(KEYS[1], is_drawing, now)
local closing, reply = {}, { 'CLOSED' }
for i, slot in ipairs(ARGV) do
  local settled = redis.call('HGET', KEYS[6], slot)
  if not settled then closing[#closing + 1] = slot end
  reply[i + 1] = tonumber(settled or round)
end
if #closing > 0 and not round then return 'RELEASE_ENDED' end
for _, slot in ipairs(closing) do
  redis.call('HSET', KEYS[6], slot, round)
  redis.call('RPUSH', KEYS[4], 'closed ' .. slot)
  redis.call('XADD', KEYS[7], '*', 'e', 'closed ' .. slot)
end
if #closing > 0 then await_change(KEYS[1], round, is_drawing, now) end
return reply
