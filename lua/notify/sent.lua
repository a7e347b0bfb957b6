#!lua
--[[ notify/sent: an SMS was handed over, and is forgotten but for its id.
  KEYS[1] sms     hash  id -> packed SMS
  KEYS[2] due     zset  id by when it is to be tried next
  KEYS[3] queued  zset  id by when it was queued
  KEYS[4] dead    zset  id by when it died
  ARGV[1] id
  REPLY   SENT | GONE    (gone: somebody else was faster)
]]
--#include lib/sms
redis.call('ZREM', KEYS[4], ARGV[1])
return forget(KEYS[1], KEYS[2], KEYS[3], ARGV[1]) and 'SENT' or 'GONE'
