#!lua
--[[ notify/retry: queue a dead letter again, with all its attempts.
  KEYS[1] sms     hash  id -> packed SMS
  KEYS[2] due     zset  id by when it is to be tried next
  KEYS[3] queued  zset  id by when it was queued
  KEYS[4] dead    zset  id by when it died
  ARGV[1] id
  REPLY   UNKNOWN | EXPIRED | QUEUED    (expired: it is worth nothing any more and stays dead)
]]
--#include lib/clock
--#include lib/sms
if not redis.call('ZSCORE', KEYS[4], ARGV[1]) then return 'UNKNOWN' end
local now = now_ms()
local letter = unpack_sms(redis.call('HGET', KEYS[1], ARGV[1]))
if not letter or letter.worth_until <= now then return 'EXPIRED' end
letter.attempts = 0
redis.call('HSET', KEYS[1], ARGV[1], pack_sms(letter))
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[2], whole(now), ARGV[1])
redis.call('ZADD', KEYS[3], whole(letter.queued_at), ARGV[1])
return 'QUEUED'
