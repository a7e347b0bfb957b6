#!lua
--[[ rounds/carry-out: hand the standing entries of a release that is over to a later one, some at
  a time. They are on their way until rounds/carry-done says that they have arrived; a worker that
  takes over from another gets those first.
  KEYS[1] release   hash  round, phase, ends_at_ms, ended_at_ms, carrying_into
  KEYS[2] bookings  hash  entry_id -> packed booking
  KEYS[3] standing  hash  entry_id -> packed standing entry
  KEYS[4] carrying  hash  entry_id -> packed standing entry; see lib/carrying
  ARGV[1] into      release
  ARGV[2] at_most   on their way together; 0: hand out nothing more
  REPLY   RUNNING | EMPTY | HANDED into now_ms left entry_id, standing, entry_id, …
          (left: how many wait to be handed out; into: another release for as long as something is
          on its way there; standing begins with a minus where it was withdrawn on the way)
]]
--#include lib/clock
--#include lib/cut
local now = now_ms()
local state = redis.call('HMGET', KEYS[1], 'round', 'phase', 'ends_at_ms', 'ended_at_ms',
  'carrying_into', 'changing_round')
local cuts_over = is_past_last_cut(tonumber(state[1]), tonumber(state[3]), state[4], now, state[6])
if not cuts_over or state[2] == 'DRAWING' then return 'RUNNING' end

local moving = redis.call('HLEN', KEYS[4])
if moving == 0 and redis.call('EXISTS', KEYS[3]) == 0 then
  -- For good: an hour on, no failover sets the clock back so far that somebody enters once more.
  if state[4] or now >= tonumber(state[3]) + 3600000 then return 'EMPTY' end
end
local into = moving == 0 and ARGV[1] or state[5]
if into == ARGV[1] and moving < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'carrying_into', into)
  for _, id in ipairs(redis.call('HRANDFIELD', KEYS[3], ARGV[2] - moving)) do
    -- Whoever was given a seat stands no longer, whether they keep it, gave it back or let it
    -- lapse. Whom an operator's change displaced has no booking left, and does.
    if redis.call('HEXISTS', KEYS[2], id) == 0 then
      redis.call('HSET', KEYS[4], id, redis.call('HGET', KEYS[3], id))
    end
    redis.call('HDEL', KEYS[3], id)
  end
end
local reply = { 'HANDED', into, now, redis.call('HLEN', KEYS[3]) }
for _, text in ipairs(redis.call('HGETALL', KEYS[4])) do reply[#reply + 1] = text end
return reply
