#!lua
--[[ bookings/book: take a free seat for each of these people at once, or for none (immediate mode).
  KEYS[1] release   hash    mode, times and limits as numbers; free_seats, booked_seats, …
  KEYS[2] entries   hash    entry_id -> packed entry
  KEYS[3] bookings  hash    entry_id -> packed booking
  KEYS[4] seats     hash    slot/pool -> free seats
  KEYS[5] accounts  hash    account, or d: and device -> first characters of its entry ids;
                            n: and network -> people
  KEYS[6] audit     stream
  ARGV[1] by              account, account|device or account|device|network
  ARGV[2] enter_before_ms end of the first of their claims' leases
  ARGV[3] slot
  ARGV[4] grant           i and a nonce of this request
  ARGV[.] entry_id, entry, pools, entry_id, entry, pools, …  of each: the entry packed, the pools
                          that they may use, in the order to try, with commas
  REPLY   CLAIM_EXPIRED | RELEASE_UNKNOWN | RELEASE_ENDED | RELEASE_NOT_OPEN opens_at_ms
          | HAS_BOOKING | BOOKED | SLOT_FULL | TOO_MANY_ENTRIES | TOO_MANY_FROM_DEVICE
          (first that applies; again with the same grant: BOOKED)
]]
--#include lib/clock
--#include lib/booking
--#include lib/accounts
local now = now_ms()
if now > tonumber(ARGV[2]) then return 'CLAIM_EXPIRED' end
local state =
  redis.call('HMGET', KEYS[1], 'opens_at_ms', 'ends_at_ms', 'ended_at_ms', 'entries_per_account')
if not state[1] then return 'RELEASE_UNKNOWN' end
if state[3] or now >= tonumber(state[2]) then return 'RELEASE_ENDED' end
if now < tonumber(state[1]) then return { 'RELEASE_NOT_OPEN', tonumber(state[1]) } end

local slot, grant = ARGV[3], ARGV[4]
local ids, people, is_again = {}, {}, true
for i = 5, #ARGV, 3 do
  local packed = redis.call('HGET', KEYS[3], ARGV[i])
  local held = packed and unpack_booking(packed)
  local is_booked = held and held.state == 'BOOKED'
  if is_booked and held.grant ~= grant then return 'HAS_BOOKING' end
  is_again = is_again and is_booked
  ids[#ids + 1] = ARGV[i]
  people[#people + 1] = { id = ARGV[i], entry = ARGV[i + 1], pools = ARGV[i + 2] }
end
if is_again then
  -- For whoever waits for replicas (ADR 24).
  redis.call('HSET', KEYS[3], ids[1], redis.call('HGET', KEYS[3], ids[1]))
  return 'BOOKED'
end

local free = {}
local function take(pools)
  for pool in string.gmatch(pools, '%d+') do
    free[pool] = free[pool] or tonumber(redis.call('HGET', KEYS[4], slot .. '/' .. pool)) or 0
    if free[pool] > 0 then
      free[pool] = free[pool] - 1
      return pool
    end
  end
end
for _, person in ipairs(people) do
  person.pool = take(person.pools)
  if not person.pool then return 'SLOT_FULL' end
end
local over = overcharged(KEYS[1], KEYS[5], ARGV[1], ids, tonumber(state[4]))
if over then return over end
for _, person in ipairs(people) do
  local booking = { state = 'BOOKED', grant = grant, slot = slot, pool = person.pool, size = 1 }
  redis.call('HINCRBY', KEYS[4], slot .. '/' .. person.pool, -1)
  redis.call('HINCRBY', KEYS[1], 'free_seats', -1)
  add_held(KEYS[1], booking, 1)
  redis.call('HSET', KEYS[2], person.id, person.entry)
  redis.call('HSET', KEYS[3], person.id, pack_booking('BOOKED', booking, now))
  redis.call('XADD', KEYS[6], '*', 'e', 'booked ' .. person.id)
end
return 'BOOKED'
