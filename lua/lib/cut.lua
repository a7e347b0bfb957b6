-- The cut that seals a round: what was put and what happened until now belongs to it, what comes
-- next to the one after.
local function cut(release, entering, sealed, happened, happened_sealed, audit, now)
  -- Later than the last seal, not before closing time, and not before offers that have expired had
  -- their time, even if a failover sets the clock back.
  local state = redis.call('HMGET', release, 'sealed_at_ms', 'cut_from_ms')
  local cut_at = math.max(now, tonumber(state[1]) + 1, tonumber(state[2] or 0))
  redis.call('HSET', release, 'phase', 'DRAWING', 'cut_at_ms', string.format('%.0f', cut_at))
  if redis.call('EXISTS', entering) == 1 then redis.call('RENAME', entering, sealed) end
  if redis.call('EXISTS', happened) == 1 then redis.call('RENAME', happened, happened_sealed) end
  redis.call('XADD', audit, '*', 'e', 'sealed ' .. redis.call('HGET', release, 'round'))
  return cut_at
end

-- Round 0 closes by Redis's clock, whether or not a worker is awake: whoever comes first after
-- closing time cuts.
local function cut_first_round_if_due(release, entering, sealed, happened, happened_sealed, audit,
    now)
  local state = redis.call('HMGET', release, 'round', 'phase', 'closes_at_ms', 'ended_at_ms')
  if state[1] == '0' and state[2] == 'OPEN' and not state[4] and now >= tonumber(state[3]) then
    cut(release, entering, sealed, happened, happened_sealed, audit, now)
  end
end

-- When an entry stands in its release that no round has cut yet, for its receipt: later than the
-- last cut, even within its millisecond or when a failover has set the clock back. Only so does the
-- time on a receipt tell which round its entry must be in.
local function after_last_cut(release, now)
  local state = redis.call('HMGET', release, 'round', 'phase', 'cut_at_ms')
  if state[1] == '0' and state[2] == 'OPEN' then return now end
  return math.max(now, tonumber(state[3]) + 1)
end

-- Whether no round will be cut any more. Round 0 always takes place, however late a worker wakes,
-- unless an operator ended the release before.
local function is_past_last_cut(round, ends_at_ms, ended_at_ms, now)
  return ended_at_ms or (round > 0 and now >= ends_at_ms)
end
