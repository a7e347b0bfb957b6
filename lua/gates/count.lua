#!lua
--[[ gates/count: count one request for each of several callers of one limit.
  KEYS[1] limit     first part of its counters: string limit:caller -> requests in its window
  ARGV[1] window_s
  ARGV[.] callers   one counter each; the same caller may be named several times
  REPLY   COUNTED, then count and ttl_ms for each caller in turn
]]
local reply = { 'COUNTED' }
for i = 2, #ARGV do
  local counter = KEYS[1] .. ':' .. ARGV[i]
  local count = redis.call('INCR', counter)
  if count == 1 then redis.call('EXPIRE', counter, ARGV[1]) end
  reply[#reply + 1] = count
  reply[#reply + 1] = redis.call('PTTL', counter)
end
return reply
