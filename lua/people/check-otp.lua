#!lua
--[[ people/check-otp: use an OTP, once.
  KEYS[1] account    hash    mobile, created_at_ms, language
  KEYS[2] otp        hash    txn, digest, sent_at_ms, language
  KEYS[3] otp_tries  string  wrong OTPs lately; asking for another OTP does not reset it
  ARGV[1] txn
  ARGV[2] digest     keyed hash of transaction and OTP
  ARGV[3] tries
  ARGV[4] tries_window_ms
  REPLY   RIGHT | UNKNOWN | TRIES_SPENT wait_ms | WRONG tries_left
]]
local tries = tonumber(redis.call('GET', KEYS[3])) or 0
if tries >= tonumber(ARGV[3]) then return { 'TRIES_SPENT', redis.call('PTTL', KEYS[3]) } end
local held = redis.call('HMGET', KEYS[2], 'txn', 'digest', 'language')
if held[1] ~= ARGV[1] then return 'UNKNOWN' end
if held[2] == ARGV[2] then
  -- Only now: whoever knows a mobile may ask for an OTP, in any language.
  if held[3] and held[3] ~= '' then redis.call('HSET', KEYS[1], 'language', held[3]) end
  redis.call('DEL', KEYS[2], KEYS[3])
  return 'RIGHT'
end
tries = redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return { 'WRONG', tonumber(ARGV[3]) - tries }
