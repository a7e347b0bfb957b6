#!lua
--[[ bookings/expire: let the unanswered offers of the oldest unexpired round lapse, some at a time.
  KEYS[1] release   hash    unexpired_round, published, confirm_within_ms, cut_from_ms, free_seats,
                            offered_seats, offered_entries
  KEYS[2] rounds    hash    published_at_ms:n, value_at_ms:n
  KEYS[3] entries   hash    entry_id -> packed entry
  KEYS[4] bookings  hash    entry_id -> packed booking
  KEYS[5] offers    hash    entry_id -> '' of the round
  KEYS[6] seats     hash    slot/pool -> free seats
  KEYS[7] happened  list    word entry_id
  KEYS[8] visits    hash    entry_id -> '' or grant, as in bookings/confirm
  KEYS[9] missed    hash    entry_id.grant -> missed_at_ms persons slot
  KEYS[10] audit    stream
  ARGV[1] round     the oldest unexpired one, whose offers KEYS[5] names
  ARGV[2] at_most
  REPLY   OTHER_ROUND unexpired_round | NONE_OUT | NOT_DUE confirm_by_ms | EXPIRED count
          (first that applies) OTHER_ROUND: ask again with that round. NONE_OUT: no
          published round is unexpired, or there is no such release. NOT_DUE: also while a round
          settles an operator's changes.
]]
--#include lib/clock
--#include lib/booking
local state = redis.call('HMGET', KEYS[1], 'unexpired_round', 'published', 'confirm_within_ms')
if not state[1] then return 'NONE_OUT' end
if state[1] ~= ARGV[1] then return { 'OTHER_ROUND', tonumber(state[1]) } end
if tonumber(state[1]) > tonumber(state[2]) then return 'NONE_OUT' end
local now = now_ms()
local confirm_by = confirm_by_ms(KEYS[2], ARGV[1], state[3])
if now <= confirm_by or is_settling(KEYS[2]) then return { 'NOT_DUE', confirm_by } end
-- Whoever verifies counts the time of an offer from its beacon's value to a cut: the next must leave
-- it that much, even if a failover sets the clock back.
local value_at = redis.call('HGET', KEYS[2], 'value_at_ms:' .. ARGV[1])
redis.call('HSET', KEYS[1], 'cut_from_ms', string.format('%.0f', value_at + state[3]))
local ids = redis.call('HRANDFIELD', KEYS[5], ARGV[2])
for _, id in ipairs(ids) do
  local packed = redis.call('HGET', KEYS[4], id)
  local booking = packed and unpack_booking(packed)
  redis.call('HDEL', KEYS[5], id)
  -- An operator's change may have taken the seat before its offer was answered.
  if booking and booking.grant == ARGV[1] then
    redis.call('HSET', KEYS[4], id, pack_booking('LAPSED', booking, now))
    redis.call('HINCRBY', KEYS[6], booking.slot .. '/' .. booking.pool, booking.size)
    redis.call('HINCRBY', KEYS[1], 'free_seats', booking.size)
    add_held(KEYS[1], booking, -1)
    local persons = string.match(redis.call('HGET', KEYS[3], id) or '', '^[^|]+')
    if persons and redis.call('HEXISTS', KEYS[8], id) == 0 then
      local missed = string.format('%.0f %s %s', confirm_by, persons, booking.slot)
      redis.call('HSET', KEYS[9], id .. '.' .. booking.grant, missed)
    end
    redis.call('HDEL', KEYS[3], id)
    redis.call('RPUSH', KEYS[7], 'expired ' .. id)
    redis.call('XADD', KEYS[10], '*', 'e', 'lapsed ' .. id)
  end
end
if redis.call('EXISTS', KEYS[5]) == 0 then redis.call('HINCRBY', KEYS[1], 'unexpired_round', 1) end
return { 'EXPIRED', #ids }
