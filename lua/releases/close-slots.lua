#!lua
--[[ releases/close-slots: close slots of a lottery under way, all of them or none.
  KEYS[1] release          hash  round, phase, changing_round, next_round_at_ms, …
  KEYS[2] entering         hash
  KEYS[3] sealed           hash
  KEYS[4] happened         list  closed slot
  KEYS[5] happened_sealed  list
  KEYS[6] changes          hash  see lib/change
  KEYS[7] audit            stream
  ARGV[1] passes_over      '' to refuse slots that are closed already, '1' to pass over them
  ARGV[.] slot, slot, …
  REPLY   RELEASE_UNKNOWN | RELEASE_ENDED | SLOT_CLOSED slot | CLOSED round round_at_ms slot slot …
          (first that applies; again before that round is cut: CLOSED) Names the slots that the round
          closes; none to pass over is SLOT_CLOSED too.
]]
--#include lib/clock
--#include lib/cut
--#include lib/change
if redis.call('EXISTS', KEYS[1]) == 0 then return 'RELEASE_UNKNOWN' end
local now = now_ms()
local drawing =
  cut_first_round_if_due(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7], now)
local round = round_to_change(KEYS[1], drawing, now)
if not round then return 'RELEASE_ENDED' end
local closing, asked_again = {}, {}
for i = 2, #ARGV do
  local settled = redis.call('HGET', KEYS[6], ARGV[i])
  if not settled then closing[#closing + 1] = ARGV[i]
  elseif tonumber(settled) == round then asked_again[#asked_again + 1] = ARGV[i]
  elseif ARGV[1] == '' then return { 'SLOT_CLOSED', tonumber(ARGV[i]) } end
end
if #closing + #asked_again == 0 then return { 'SLOT_CLOSED', tonumber(ARGV[2]) } end
for _, slot in ipairs(closing) do
  redis.call('HSET', KEYS[6], slot, round)
  redis.call('RPUSH', KEYS[4], 'closed ' .. slot)
  redis.call('XADD', KEYS[7], '*', 'e', 'closed ' .. slot)
end
local reply = { 'CLOSED', round, await_change(KEYS[1], round, drawing, now) }
for _, slots in ipairs({ closing, asked_again }) do
  for _, slot in ipairs(slots) do reply[#reply + 1] = tonumber(slot) end
end
return reply
