-- A packed booking: state|grant|slot|pool|size|at_ms. The grant is the number of the round that
-- gave the seat, or "i" and a nonce in immediate mode.
local function unpack_booking(packed)
  local state, grant, slot, pool, size = string.match(packed, '^(%u+)|(%w+)|(%d+)|(%d+)|(%d+)|')
  return { state = state, grant = grant, slot = slot, pool = pool, size = tonumber(size) }
end

local function pack_booking(state, booking, at_ms)
  local at = string.format('%.0f', at_ms)
  return table.concat({ state, booking.grant, booking.slot, booking.pool, booking.size, at }, '|')
end

local function is_immediate(booking)
  return string.sub(booking.grant, 1, 1) == 'i'
end

-- Results of a round are written before they count: a seat given by a round that is not published
-- does not exist.
local function is_published(booking, published)
  return is_immediate(booking) or tonumber(booking.grant) <= published
end

-- When the offers of a round must be confirmed.
local function confirm_by_ms(rounds, round, confirm_within_ms)
  local published_at = redis.call('HGET', rounds, 'published_at_ms:' .. round)
  return tonumber(published_at) + tonumber(confirm_within_ms)
end

-- Whether a round is being drawn that settles an operator's changes. What somebody held at its cut
-- may be taken from them by it: until it is published nothing held lapses or is cancelled (ADR 11).
local function is_settling(rounds)
  return redis.call('HEXISTS', rounds, 'settling') == 1
end

-- An offer past its deadline has lapsed, whether or not a worker has come by to write it down.
local function has_lapsed(rounds, booking, confirm_within_ms, now)
  if booking.state ~= 'OFFERED' then return booking.state == 'LAPSED' end
  return now > confirm_by_ms(rounds, booking.grant, confirm_within_ms) and not is_settling(rounds)
end

-- Whether this is the booking that somebody names by its grant: an older one of the entry is not.
local function is_granted(booking, grant, published)
  return booking and booking.grant == grant and is_published(booking, published)
end

-- Sums over a release, for whoever only counts (src/releases/census-store.ts): seats and entries by
-- what holds them. `change`: 1 for a booking that came, -1 for one that went.
local function add_held(release, booking, change)
  local field = booking.state == 'OFFERED' and 'offered' or booking.state == 'BOOKED' and 'booked'
  if not field then return end
  redis.call('HINCRBY', release, field .. '_seats', change * booking.size)
  redis.call('HINCRBY', release, field .. '_entries', change)
end
