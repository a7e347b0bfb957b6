-- A packed visit: ARRIVED|slot|at_ms|persons or NO_SHOW|slot|at_ms|persons, of a booking's people.
local function unpack_visit(packed)
  local state, slot, persons = string.match(packed, '^([%u_]+)|(%d+)|%d+|(.*)$')
  return { state = state, slot = slot, persons = persons }
end

local function pack_visit(state, slot, at_ms, persons)
  return table.concat({ state, slot, string.format('%.0f', at_ms), persons }, '|')
end

-- The people of a packed entry, separated by commas.
local function persons_of(entry)
  return string.match(entry or '', '^[^|]+') or ''
end
