#!lua
--[[ people/check-otp: use an OTP, once.
  KEYS[1] otp        hash    txn, digest, sent_at_ms
  KEYS[2] otp_tries  string  wrong OTPs lately; asking for another OTP does not reset it
  ARGV[1] txn
  ARGV[2] digest     keyed hash of transaction and OTP
  ARGV[3] tries
  ARGV[4] tries_window_ms
  REPLY   RIGHT | UNKNOWN | TRIES_SPENT wait_ms | WRONG tries_left
]]
local tries = tonumber(redis.call('GET', KEYS[2])) or 0
if tries >= tonumber(ARGV[3]) then return { 'TRIES_SPENT', redis.call('PTTL', KEYS[2]) } end
local held = redis.call('HMGET', KEYS[1], 'txn', 'digest')
if held[1] ~= ARGV[1] then return 'UNKNOWN' end
if held[2] == ARGV[2] then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 'RIGHT'
end
tries = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return { 'WRONG', tonumber(ARGV[3]) - tries }
