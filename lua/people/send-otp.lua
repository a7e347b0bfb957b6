#!lua
--[[ people/send-otp: remember an OTP for a mobile, beside those that are out for others who asked.
  KEYS[1] account    hash    mobile, created_at_ms, language, epoch
  KEYS[2] familiar   zset    requester that signed in -> when last, in ms
  KEYS[3] otp        hash    digest, mobile, language, requester, network, stranger, wrong
  KEYS[4] otp_gap    string  there while this requester must wait before asking again
  KEYS[5] otp_unused hash    requester -> OTPs sent and not used; strangers: those of all strangers
  KEYS[6] otp_wrong  hash    requester -> wrong OTPs lately
  ARGV[1] digest     keyed hash of transaction and OTP
  ARGV[2] mobile     encrypted
  ARGV[3] requester
  ARGV[4] lifetime_ms
  ARGV[5] resend_after_ms
  ARGV[6] tries
  ARGV[7] unused_window_ms
  ARGV[8] most_unused
  ARGV[9] most_unused_of_strangers
  ARGV[10] familiar_ms
  ARGV[11] language  of this SMS, and of the account once it is signed in to; '' for the account's
  ARGV[12] network   the requester's
  REPLY   SENT language | TOO_SOON wait_ms | TRIES_SPENT wait_ms | TOO_MANY wait_ms
]]
--#include lib/clock
local now = now_ms()
local held = redis.call('HGET', KEYS[3], 'language')
if held then return { 'SENT', held } end
if (tonumber(redis.call('HGET', KEYS[6], ARGV[3])) or 0) >= tonumber(ARGV[6]) then
  return { 'TRIES_SPENT', redis.call('PTTL', KEYS[6]) }
end
local gap = redis.call('PTTL', KEYS[4])
if gap > 0 then return { 'TOO_SOON', gap } end

local signed_in = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[3])) or 0
local stranger = signed_in < now - tonumber(ARGV[10])
local unused = redis.call('HMGET', KEYS[5], ARGV[3], 'strangers')
local too_many = (tonumber(unused[1]) or 0) >= tonumber(ARGV[8])
if stranger then
  too_many = too_many or (tonumber(unused[2]) or 0) >= tonumber(ARGV[9])
end
if too_many then return { 'TOO_MANY', redis.call('PTTL', KEYS[5]) } end

redis.call('SET', KEYS[4], '', 'PX', ARGV[5])
redis.call('HINCRBY', KEYS[5], ARGV[3], 1)
if stranger then redis.call('HINCRBY', KEYS[5], 'strangers', 1) end
redis.call('PEXPIRE', KEYS[5], ARGV[7], 'NX')
local language = ARGV[11] ~= '' and ARGV[11] or redis.call('HGET', KEYS[1], 'language') or ''
redis.call('HSET', KEYS[3], 'digest', ARGV[1], 'mobile', ARGV[2], 'requester', ARGV[3],
  'network', ARGV[12], 'stranger', stranger and 1 or 0, 'wrong', 0, 'language', language)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return { 'SENT', language }
