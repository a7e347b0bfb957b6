#!lua
--[[ releases/read: a release's state at one instant of Redis's clock.
  KEYS[1] release  hash
  REPLY   UNKNOWN | READ now_ms opens_at_ms closes_at_ms ends_at_ms ended_at_ms round phase
          published next_round_at_ms changing_round
          (closes_at_ms and next_round_at_ms are 0 where there is none, ended_at_ms unless it was
          ended early; published is -1 before round 0, changing_round before an operator changed
          anything)
]]
--#include lib/clock
local held = redis.call('HMGET', KEYS[1], 'opens_at_ms', 'closes_at_ms', 'ends_at_ms',
  'ended_at_ms', 'round', 'phase', 'published', 'next_round_at_ms', 'changing_round')
if not held[1] then return 'UNKNOWN' end
local reply = { 'READ', now_ms() }
for i = 1, 8 do reply[#reply + 1] = i == 6 and held[i] or tonumber(held[i]) or 0 end
reply[#reply + 1] = tonumber(held[9]) or -1
return reply
