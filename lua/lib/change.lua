-- What operators change in a release that is under way (ADR 11). The hash `changes` holds
--   <slot>        -> the round that settles its closing,
--   <slot>/<pool> -> seats lost in all,
--   did:<id>      -> the round that settles the change which was sent under this id.

-- The round that settles what is changed now: the next one to be cut. Nothing where none will be.
local function round_to_change(release, is_drawing, now)
  local state = redis.call('HMGET', release, 'round', 'ends_at_ms', 'ended_at_ms', 'changing_round')
  local round = tonumber(state[1]) + (is_drawing and 1 or 0)
  if is_past_last_cut(round, tonumber(state[2]), state[3], now, state[4]) then return nil end
  return round
end

-- Has that round settle changes, and has it take place at once, but for round 0, which has its time.
-- A hash chain has values for so many rounds: once those to spare are spent, changes wait for the
-- time of the next round. Answers when it is due.
local function await_change(release, round, is_drawing, now)
  local state = redis.call('HMGET', release, 'next_round_at_ms', 'round_every_ms', 'hurried_round',
    'spare_rounds')
  redis.call('HSET', release, 'changing_round', round)
  local due = is_drawing and now + tonumber(state[2]) or math.max(tonumber(state[1]), now)
  if round == 0 or due == now then return due end
  if state[3] ~= string.format('%d', round) then
    if tonumber(state[4]) <= 0 then return due end
    redis.call('HINCRBY', release, 'spare_rounds', -1)
    redis.call('HSET', release, 'hurried_round', round)
  end
  if not is_drawing then
    redis.call('HSET', release, 'next_round_at_ms', string.format('%.0f', now))
  end
  return now
end
