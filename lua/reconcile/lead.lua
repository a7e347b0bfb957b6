#!lua
--[[ reconcile/lead: take or renew the lease of the run over all releases, if one is due.
  KEYS[1] lease  string  worker
  KEYS[2] last   hash    finished_at_ms
  ARGV[1] worker
  ARGV[2] lease_ms
  ARGV[3] every_ms
  REPLY   FOLLOWS | LEADS | NOT_DUE wait_ms
          (first that applies) LEADS: also who has the lease and renews it.
]]
--#include lib/clock
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 'FOLLOWS' end
if not leader then
  local finished = tonumber(redis.call('HGET', KEYS[2], 'finished_at_ms')) or 0
  local wait = finished + ARGV[3] - now_ms()
  if wait > 0 then return { 'NOT_DUE', wait } end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'LEADS'
