#!lua
--[[ people/send-otp: remember the one OTP that is out for a mobile.
  KEYS[1] account    hash    mobile, created_at_ms, language
  KEYS[2] otp        hash    txn, digest, sent_at_ms, language
  KEYS[3] otp_tries  string  wrong OTPs lately
  ARGV[1] txn
  ARGV[2] digest     keyed hash of transaction and OTP
  ARGV[3] mobile     encrypted
  ARGV[4] lifetime_ms
  ARGV[5] resend_after_ms
  ARGV[6] tries
  ARGV[7] language   of this SMS, and of the account once it is signed in to; or '' for the account's
  REPLY   SENT language | TOO_SOON wait_ms | TRIES_SPENT wait_ms
]]
--#include lib/clock
local now = now_ms()
if (tonumber(redis.call('GET', KEYS[3])) or 0) >= tonumber(ARGV[6]) then
  return { 'TRIES_SPENT', redis.call('PTTL', KEYS[3]) }
end
local last = redis.call('HMGET', KEYS[2], 'txn', 'sent_at_ms')
if last[1] and last[1] ~= ARGV[1] then
  local wait = tonumber(last[2]) + tonumber(ARGV[5]) - now
  if wait > 0 then return { 'TOO_SOON', wait } end
end
local sent_at = string.format('%.0f', now)
redis.call('HSET', KEYS[2], 'txn', ARGV[1], 'digest', ARGV[2], 'sent_at_ms', sent_at)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local language = ARGV[7] ~= '' and ARGV[7] or redis.call('HGET', KEYS[1], 'language') or ''
redis.call('HSET', KEYS[2], 'language', language)
-- The account exists from its first OTP on, so that the answer is the same for known and unknown
-- mobiles.
redis.call('HSETNX', KEYS[1], 'created_at_ms', sent_at)
redis.call('HSETNX', KEYS[1], 'mobile', ARGV[3])
return { 'SENT', language }
