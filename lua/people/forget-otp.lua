#!lua
--[[ people/forget-otp: as if an OTP had never been asked for: its SMS could not be queued.
  KEYS[1] otp        hash    digest, mobile, language, requester, network, stranger, wrong
  KEYS[2] otp_gap    string  there while this requester must wait before asking again
  KEYS[3] otp_unused hash    requester -> OTPs sent and not used; strangers: those of all strangers
  REPLY   FORGOTTEN | UNKNOWN
]]
--#include lib/unused
local held = redis.call('HMGET', KEYS[1], 'requester', 'stranger')
if not held[1] then return 'UNKNOWN' end
redis.call('DEL', KEYS[1], KEYS[2])
take_off_unused(KEYS[3], held[1], held[2] == '1')
return 'FORGOTTEN'
