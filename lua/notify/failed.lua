#!lua
--[[ notify/failed: an attempt to send did not succeed.
  KEYS[1] sms     hash  id -> packed SMS
  KEYS[2] due     zset  id by when it is to be tried next
  KEYS[3] queued  zset  id by when it was queued
  KEYS[4] dead    zset  id by when it died
  ARGV[1] id
  ARGV[2] attempt        which of its attempts this was
  ARGV[3] reason
  ARGV[4] verdict        count: the SMS may be at fault; spare: the gateway is; bury: it never will
  ARGV[5] wait_ms        until the next attempt
  ARGV[6] attempts       after so many it is dead
  ARGV[7] dead_capacity
  REPLY   GONE | DEAD dropped | EXPIRED | WAITS    (gone: taken over meanwhile, sent or dropped;
    dropped: dead letters that went to make room)
]]
--#include lib/clock
--#include lib/sms
--#include lib/dead
local now = now_ms()
local letter = unpack_sms(redis.call('HGET', KEYS[1], ARGV[1]))
local waits = letter and redis.call('ZSCORE', KEYS[2], ARGV[1])
if not waits or letter.attempts ~= tonumber(ARGV[2]) then return 'GONE' end
letter.reason = ARGV[3]
if ARGV[4] == 'bury' or ARGV[4] == 'count' and letter.attempts >= tonumber(ARGV[6]) then
  return { 'DEAD', bury(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], letter, now, ARGV[7]) }
end
local due = now + tonumber(ARGV[5])
if due >= letter.worth_until then
  forget(KEYS[1], KEYS[2], KEYS[3], ARGV[1])
  return 'EXPIRED'
end
if ARGV[4] == 'spare' then letter.attempts = letter.attempts - 1 end
redis.call('HSET', KEYS[1], ARGV[1], pack_sms(letter))
redis.call('ZADD', KEYS[2], whole(due), ARGV[1])
return 'WAITS'
