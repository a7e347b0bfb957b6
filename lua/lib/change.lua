-- What operators change in a lottery that is under way (ADR 11). The hash `changes` holds
--   <slot>      -> the round that settles its closing,
--   loss:<id>   -> slot/pool seats round, of the loss that was sent under this id.

-- The round that settles what is changed now: the next to be cut. Nothing where none will be.
local function round_to_settle(release, is_drawing, now)
  local state = redis.call('HMGET', release, 'round', 'ends_at_ms', 'ended_at_ms', 'changing_round')
  local round = tonumber(state[1]) + (is_drawing and 1 or 0)
  if is_past_last_cut(round, tonumber(state[2]), state[3], now, state[4]) then return nil end
  return round
end

-- Has that round settle changes, and not wait for its time, but for round 0. Where a round is being
-- drawn, publishing it hurries the next one.
local function await_change(release, round, is_drawing, now)
  if tonumber(redis.call('HGET', release, 'changing_round')) == round then return end
  redis.call('HSET', release, 'changing_round', round)
  if round > 0 and not is_drawing then hurry(release, now) end
end
