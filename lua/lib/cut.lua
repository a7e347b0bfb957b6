-- The time of the last event in a release's audit stream. It never goes back, even if a failover
-- sets the clock back. 0 where there are none left: of a release that was over long ago.
local function last_event_ms(audit)
  local last = redis.call('XREVRANGE', audit, '+', '-', 'COUNT', 1)[1]
  return last and tonumber(string.match(last[1], '^%d+')) or 0
end

-- The cut that seals a round: what was put and what happened until now belongs to it, what comes
-- next to the one after.
local function cut(release, entering, sealed, happened, happened_sealed, audit, now)
  -- Even if a failover sets the clock back, or this one is behind: later than the last seal and its
  -- value, not before closing time, not before offers that have expired had their time, and not
  -- before any entry that is in it.
  local state = redis.call('HMGET', release, 'value_at_ms', 'cut_from_ms')
  local cut_at =
    math.max(now, tonumber(state[1]) + 1, tonumber(state[2] or 0), last_event_ms(audit))
  redis.call('HSET', release, 'phase', 'DRAWING', 'cut_at_ms', string.format('%.0f', cut_at))
  if redis.call('EXISTS', entering) == 1 then redis.call('RENAME', entering, sealed) end
  if redis.call('EXISTS', happened) == 1 then redis.call('RENAME', happened, happened_sealed) end
  redis.call('XADD', audit, '*', 'e', 'sealed ' .. redis.call('HGET', release, 'round'))
  return cut_at
end

-- Round 0 closes by Redis's clock, whether or not a worker is awake: whoever comes first after
-- closing time cuts. Answers whether a round is being drawn now.
local function cut_first_round_if_due(release, entering, sealed, happened, happened_sealed, audit,
    now)
  local state = redis.call('HMGET', release, 'round', 'phase', 'closes_at_ms', 'ended_at_ms')
  if state[1] == '0' and state[2] == 'OPEN' and not state[4] and now >= tonumber(state[3]) then
    cut(release, entering, sealed, happened, happened_sealed, audit, now)
    return true
  end
  return state[2] == 'DRAWING'
end

-- When an entry stands in its release that no round has cut yet, for its receipt: later than the
-- last cut, even within its millisecond, and no later than the next. Only so does the time on a
-- receipt tell which round its entry must be in.
local function after_last_cut(release, audit)
  local event_ms = last_event_ms(audit)
  local state = redis.call('HMGET', release, 'round', 'phase', 'cut_at_ms')
  if state[1] == '0' and state[2] == 'OPEN' then return event_ms end
  return math.max(event_ms, tonumber(state[3]) + 1)
end

-- Whether no round will be cut any more; `round` is the next one to be cut. Round 0 always takes
-- place, however late a worker wakes, unless an operator ended the release before; and so does a
-- later round that is to settle an operator's changes (ADR 11).
local function is_past_last_cut(round, ends_at_ms, ended_at_ms, now, changing_round)
  if round > 0 and tonumber(changing_round or 0) >= round then return false end
  return ended_at_ms or (round > 0 and now >= ends_at_ms)
end

-- Has the next round take place now. A hash chain has values for so many rounds: once those to
-- spare are spent, the round waits for its time.
local function hurry(release, now)
  local state = redis.call('HMGET', release, 'next_round_at_ms', 'spare_rounds')
  if tonumber(state[1]) <= now or tonumber(state[2] or 0) <= 0 then return end
  redis.call('HINCRBY', release, 'spare_rounds', -1)
  redis.call('HSET', release, 'next_round_at_ms', string.format('%.0f', now))
end

-- What is entered later than this before its release ends would hardly be cut in time.
local LAST_CUT_BEFORE_END_MS = 2000

-- Before an entry that comes when its round's time is over. If it is the first since the last cut,
-- that round did not take place, for nothing was new. Cut at once it would be drawn alone, and
-- being quick would be worth a seat: so it opens a window, in which others enter for that round.
-- Where seats that came back have that round take place, it is cut here, without the entry and
-- without delay. One that settles an operator's change a worker cuts, since offers may have to
-- expire first.
local function await_others(release, entering, sealed, happened, happened_sealed, audit, now)
  if redis.call('EXISTS', entering) == 1 then return end
  local state = redis.call('HMGET', release, 'round', 'phase', 'certain_round', 'changing_round',
    'round_every_ms', 'ends_at_ms')
  local takes_place = tonumber(state[1]) <= tonumber(state[3] or 0) or state[4] == state[1]
  if state[2] == 'DRAWING' or takes_place then return end
  if redis.call('EXISTS', happened) == 1 then
    cut(release, entering, sealed, happened, happened_sealed, audit, now)
    return
  end
  local at = math.min(now + state[5], state[6] - LAST_CUT_BEFORE_END_MS)
  if at > now then redis.call('HSET', release, 'next_round_at_ms', string.format('%.0f', at)) end
end

-- When the round of an entry is cut, at the soonest: the one after, while a round is being drawn.
local function result_at_ms(release, now)
  local state = redis.call('HMGET', release, 'phase', 'next_round_at_ms', 'round_every_ms')
  return state[1] == 'DRAWING' and now + state[3] or math.max(tonumber(state[2]), now)
end
