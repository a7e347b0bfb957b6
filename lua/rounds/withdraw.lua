#!lua
--[[ rounds/withdraw: take back an entry that has no seat, and the wish to be carried over with it.
  Where a release is over, only that wish is left to be taken back.
  KEYS[1] release          hash  phase, published, confirm_within_ms, series, carrying_into
  KEYS[2] rounds           hash  published_at_ms:n
  KEYS[3] entering         hash  entry_id -> packed entry
  KEYS[4] sealed           hash  entry_id -> packed entry
  KEYS[5] entries          hash  entry_id -> packed entry
  KEYS[6] bookings         hash  entry_id -> packed booking
  KEYS[7] standing         hash  entry_id -> packed standing entry
  KEYS[8] carrying         hash  see lib/carrying
  KEYS[9] withdrawn        set   entry_id
  KEYS[10] happened        list  word entry_id
  KEYS[11] happened_sealed list
  KEYS[12] audit           stream
  ARGV[1] entry_id
  ARGV[2] standing  how its packed standing entry must begin; '' for whatever is there
  REPLY   ROUND_DRAWING | HAS_BOOKING | ENTRY_UNKNOWN | RELEASE_ENDED | WITHDRAWN
          (first that applies)
]]
--#include lib/clock
--#include lib/cut
--#include lib/booking
--#include lib/carrying
local now = now_ms()
cut_first_round_if_due(KEYS[1], KEYS[3], KEYS[4], KEYS[10], KEYS[11], KEYS[12], now)
local id = ARGV[1]
local state = redis.call('HMGET', KEYS[1], 'phase', 'published', 'confirm_within_ms', 'round',
  'ends_at_ms', 'ended_at_ms', 'changing_round', 'series')
local standing = redis.call('HGET', KEYS[7], id) or redis.call('HGET', KEYS[8], id) or ''
if string.sub(standing, 1, #ARGV[2]) ~= ARGV[2] then return 'ENTRY_UNKNOWN' end

local is_entered = redis.call('HEXISTS', KEYS[3], id) == 1
local waits = not is_entered and redis.call('HEXISTS', KEYS[5], id) == 1
if not is_entered then
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return 'ROUND_DRAWING' end
  local packed = redis.call('HGET', KEYS[6], id)
  local booking = packed and unpack_booking(packed)
  if booking and is_published(booking, tonumber(state[2])) then
    local over = booking.state == 'CANCELLED' or has_lapsed(KEYS[2], booking, state[3], now)
    return over and 'ENTRY_UNKNOWN' or 'HAS_BOOKING'
  end
  if waits and state[1] == 'DRAWING' then return 'ROUND_DRAWING' end
end

local stood = take_back_standing(KEYS[1], KEYS[7], KEYS[8], id)
if not (is_entered or waits or stood) then return 'ENTRY_UNKNOWN' end
local cuts_over = is_past_last_cut(tonumber(state[4]), tonumber(state[5]), state[6], now, state[7])
if cuts_over and state[1] ~= 'DRAWING' then
  if not stood then return 'RELEASE_ENDED' end
elseif is_entered then
  redis.call('HDEL', KEYS[3], id)
elseif waits then
  redis.call('HDEL', KEYS[5], id)
  redis.call('RPUSH', KEYS[10], 'withdrawn ' .. id)
end
-- Nobody is carried into a release that they withdrew from.
if state[8] then redis.call('SADD', KEYS[9], id) end
redis.call('XADD', KEYS[12], '*', 'e', 'withdrawn ' .. id)
return 'WITHDRAWN'
