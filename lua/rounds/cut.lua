#!lua
--[[ rounds/cut: begin the next round if it is due.
  KEYS[1] release          hash  round, phase, next_round_at_ms, ends_at_ms, ended_at_ms
  KEYS[2] entering         hash
  KEYS[3] sealed           hash
  KEYS[4] happened         list
  KEYS[5] happened_sealed  list
  KEYS[6] audit            stream
  REPLY   DRAWING round cut_at_ms | ENDED | NOT_DUE at_ms now_ms | NOTHING_NEW
          (first that applies) DRAWING also answers for a round that was cut before and is not
          published: whoever asks draws it again.
]]
--#include lib/clock
--#include lib/cut
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'round', 'phase', 'cut_at_ms', 'next_round_at_ms',
  'ends_at_ms', 'ended_at_ms')
local round = tonumber(state[1])
if state[2] == 'DRAWING' then return { 'DRAWING', round, tonumber(state[3]) } end
if is_past_last_cut(round, tonumber(state[5]), state[6], now) then return 'ENDED' end
if now < tonumber(state[4]) then return { 'NOT_DUE', tonumber(state[4]), now } end
-- Without new entries or freed seats a later round could give nobody anything. Round 0 always takes
-- place.
if round > 0 and redis.call('EXISTS', KEYS[2], KEYS[4]) == 0 then return 'NOTHING_NEW' end
return { 'DRAWING', round, cut(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], now) }
