#!lua
--[[ notify/queue: put an SMS into the outbox, unless one of its id was there lately.
  KEYS[1] sms     hash    id -> packed SMS
  KEYS[2] due     zset    id by when it is to be tried next
  KEYS[3] queued  zset    id by when it was queued
  KEYS[4] once    string  there while the id counts as queued
  ARGV[1] id
  ARGV[2] template
  ARGV[3] sealed          the SMS, encrypted
  ARGV[4] lifetime_ms     how long it is worth sending at most
  ARGV[5] worth_until_ms  and not after this
  ARGV[6] remember_ms     how long the id counts at least
  ARGV[7] capacity        SMS that may wait
  REPLY   REPEATED | EXPIRED | FULL | QUEUED
]]
--#include lib/clock
--#include lib/sms
local now = now_ms()
if redis.call('EXISTS', KEYS[4]) == 1 or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 'REPEATED'
end
local worth_until = math.min(now + tonumber(ARGV[4]), tonumber(ARGV[5]))
if worth_until <= now then return 'EXPIRED' end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then return 'FULL' end
local letter = {
  template = ARGV[2], attempts = 0, queued_at = now, worth_until = worth_until, reason = '',
  sealed = ARGV[3],
}
redis.call('SET', KEYS[4], '', 'PX', whole(math.max(worth_until - now, tonumber(ARGV[6]))))
redis.call('HSET', KEYS[1], ARGV[1], pack_sms(letter))
redis.call('ZADD', KEYS[2], whole(now), ARGV[1])
redis.call('ZADD', KEYS[3], whole(now), ARGV[1])
return 'QUEUED'
