#!lua
--[[ rounds/lead: take or renew the lead of a release's rounds. It saves double work; what keeps
  results right is the fence in rounds/stage and rounds/publish.
  KEYS[1] lease   string  worker
  ARGV[1] worker
  ARGV[2] lease_ms
  REPLY   LEADS | FOLLOWS
]]
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 'FOLLOWS' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'LEADS'
