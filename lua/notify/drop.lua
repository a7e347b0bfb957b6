#!lua
--[[ notify/drop: forget a dead letter.
  KEYS[1] sms   hash  id -> packed SMS
  KEYS[2] dead  zset  id by when it died
  ARGV[1] id
  REPLY   UNKNOWN | DROPPED
]]
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return 'UNKNOWN' end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'DROPPED'
