#!lua
--[[ people/count-miss: write down that a person let a seat go to waste; from the second within the
  window on they may not claim for a while.
  KEYS[1] person  hash  misses: `<missed_at_ms> <booking>`, a line each; cooling_ends_at_ms
  ARGV[1] booking       id of it; what is sent again under it counts once
  ARGV[2] missed_at_ms
  ARGV[3] window_ms
  ARGV[4] cool_down_ms
  REPLY   COUNTED
]]
local at, window = tonumber(ARGV[2]), tonumber(ARGV[3])
local lines, last = { ARGV[2] .. ' ' .. ARGV[1] }, nil
for line in string.gmatch(redis.call('HGET', KEYS[1], 'misses') or '', '[^\n]+') do
  local missed_at, booking = string.match(line, '^(%d+) (.*)$')
  if booking == ARGV[1] then return 'COUNTED' end
  -- They may be told in another order than they happened.
  local apart = tonumber(missed_at) - at
  if math.abs(apart) <= window then last = math.max(last or at, tonumber(missed_at)) end
  if apart >= -window then lines[#lines + 1] = line end
end
redis.call('HSET', KEYS[1], 'misses', table.concat(lines, '\n'))
if not last then return 'COUNTED' end
local ends_at = tonumber(redis.call('HGET', KEYS[1], 'cooling_ends_at_ms')) or 0
ends_at = math.max(ends_at, last + tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 'cooling_ends_at_ms', string.format('%.0f', ends_at))
return 'COUNTED'
