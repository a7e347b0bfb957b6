#!lua
--[[ notify/take: hand a sender what is due, longest due first. What it takes is due again when its
  lease is over: nobody has to notice that a sender died.
  KEYS[1] sms     hash  id -> packed SMS
  KEYS[2] due     zset  id by when it is to be tried next
  KEYS[3] queued  zset  id by when it was queued
  KEYS[4] dead    zset  id by when it died
  ARGV[1] room           SMS that the sender has room for
  ARGV[2] look           SMS looked at in one call, taken or not
  ARGV[3] lease_ms
  ARGV[4] attempts       after so many, an SMS that nobody answered for is dead
  ARGV[5] dead_capacity
  ARGV[6] dead_kept_ms
  REPLY   TAKEN dropped, then what (sms, expired or dead), template, id, attempt and sealed of each;
    dropped: dead letters that went to make room or for their age, and garbage
]]
--#include lib/clock
--#include lib/sms
--#include lib/dead
local now = now_ms()
local before = whole(now - tonumber(ARGV[6]))
local old = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', before, 'LIMIT', 0, 100)
local reply = { 'TAKEN', drop_oldest_dead(KEYS[1], KEYS[4], old) }
local function tell(what, id, letter)
  for _, part in ipairs({ what, letter.template, id, letter.attempts, letter.sealed }) do
    reply[#reply + 1] = part
  end
end
local room = tonumber(ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, ARGV[2])) do
  if room == 0 then break end
  local letter = unpack_sms(redis.call('HGET', KEYS[1], id))
  if not letter or letter.worth_until <= now then
    forget(KEYS[1], KEYS[2], KEYS[3], id)
    if letter then tell('expired', id, letter) else reply[2] = reply[2] + 1 end
  elseif letter.attempts >= tonumber(ARGV[4]) then
    letter.reason = 'abandoned'
    reply[2] = reply[2] + bury(KEYS[1], KEYS[2], KEYS[3], KEYS[4], id, letter, now, ARGV[5])
    tell('dead', id, letter)
  else
    letter.attempts = letter.attempts + 1
    redis.call('HSET', KEYS[1], id, pack_sms(letter))
    redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[3])), id)
    tell('sms', id, letter)
    room = room - 1
  end
end
return reply
