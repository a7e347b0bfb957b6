#!lua
--[[ rounds/cut: begin the next round if it is due.
  KEYS[1] release          hash  round, phase, next_round_at_ms, ends_at_ms, ended_at_ms, …
  KEYS[2] rounds           hash  published_at_ms:n; settling, while such a round is being drawn
  KEYS[3] entering         hash
  KEYS[4] sealed           hash
  KEYS[5] happened         list
  KEYS[6] happened_sealed  list
  KEYS[7] audit            stream
  REPLY   DRAWING round cut_at_ms | ENDED | NOT_DUE at_ms now_ms | NOTHING_NEW | EXPIRE_FIRST
          (first that applies) DRAWING also answers for a round that was cut before and is not
          published: whoever asks draws it again. EXPIRE_FIRST: offers have lapsed and are to expire
          before a round is cut that settles an operator's changes.
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'round', 'phase', 'cut_at_ms', 'next_round_at_ms',
  'ends_at_ms', 'ended_at_ms', 'changing_round', 'unexpired_round', 'confirm_within_ms',
  'certain_round')
local round = tonumber(state[1])
if state[2] == 'DRAWING' then return { 'DRAWING', round, tonumber(state[3]) } end
if is_past_last_cut(round, tonumber(state[5]), state[6], now, state[7]) then return 'ENDED' end
if now < tonumber(state[4]) then return { 'NOT_DUE', tonumber(state[4]), now } end
-- Without new entries or freed seats a round could give nobody anything, once what was reserved is
-- for everyone.
if round > tonumber(state[10] or 0) and redis.call('EXISTS', KEYS[3], KEYS[5]) == 0 then
  return 'NOTHING_NEW'
end
if round > 0 and state[7] == state[1] then
  -- Whoever let an offer lapse may be in another release by now. This round must know that they
  -- hold nothing any more, or it would give them another seat for the one that they let go.
  local unexpired = tonumber(state[8])
  if unexpired < round and now > confirm_by_ms(KEYS[2], unexpired, state[9]) then
    return 'EXPIRE_FIRST'
  end
  redis.call('HSET', KEYS[2], 'settling', round)
end
return { 'DRAWING', round, cut(KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], now) }
