#!lua
--[[ people/check-otp: use an OTP, once.
  KEYS[1] account    hash    mobile, created_at_ms, signed_in_at_ms, language, epoch
  KEYS[2] familiar   zset    requester that signed in -> when last, in ms
  KEYS[3] otp        hash    digest, mobile, language, requester, network, stranger, wrong
  KEYS[4] otp_unused hash    requester -> OTPs sent and not used; strangers: those of all strangers
  KEYS[5] otp_wrong  hash    requester -> wrong OTPs lately; asking for another does not reset it
  ARGV[1] digest     keyed hash of transaction and OTP
  ARGV[2] requester  who tries, which need not be who asked
  ARGV[3] tries
  ARGV[4] tries_window_ms
  ARGV[5] familiar_ms
  ARGV[6] most_familiar
  REPLY   RIGHT epoch asked_by network stranger | UNKNOWN | TRIES_SPENT wait_ms | WRONG tries_left
]]
--#include lib/clock
--#include lib/unused
local tries = tonumber(ARGV[3])
local wrong = tonumber(redis.call('HGET', KEYS[5], ARGV[2])) or 0
if wrong >= tries then return { 'TRIES_SPENT', redis.call('PTTL', KEYS[5]) } end
local held = redis.call('HMGET', KEYS[3], 'digest', 'mobile', 'requester', 'stranger', 'language',
  'network')
if not held[1] then return 'UNKNOWN' end
if held[1] ~= ARGV[1] then
  wrong = redis.call('HINCRBY', KEYS[5], ARGV[2], 1)
  redis.call('PEXPIRE', KEYS[5], ARGV[4], 'NX')
  local of_otp = redis.call('HINCRBY', KEYS[3], 'wrong', 1)
  if of_otp >= tries then redis.call('DEL', KEYS[3]) end
  return { 'WRONG', tries - math.max(wrong, of_otp) }
end

local now = now_ms()
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[5], ARGV[2])
-- What was used is no nuisance to the mobile.
take_off_unused(KEYS[4], held[3], held[4] == '1')
redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[6]))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
-- Of an account that was erased a moment ago its epoch is left, for a while.
redis.call('PERSIST', KEYS[1])
redis.call('HSETNX', KEYS[1], 'created_at_ms', string.format('%.0f', now))
redis.call('HSET', KEYS[1], 'signed_in_at_ms', string.format('%.0f', now))
redis.call('HSETNX', KEYS[1], 'mobile', held[2])
-- Only now: whoever knows a mobile may ask for an OTP, in any language.
if held[5] and held[5] ~= '' then redis.call('HSET', KEYS[1], 'language', held[5]) end
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch')) or 0
return { 'RIGHT', epoch, held[3], held[6], tonumber(held[4]) }
