#!lua
--[[ arrivals/take-try: let an operator key try a security code, of so many wrong ones a day. Taken
  before the code is looked at, and settled when it was: however many are tried at once, no more
  than these can be wrong.
  KEYS[1] key_tries   hash  wrong, right
  KEYS[2] key_trying  zset  try -> when its lease ends
  ARGV[1] try
  ARGV[2] most
  ARGV[3] right_for_more  right codes for which one more may be wrong
  ARGV[4] lease_ms        longer than any try takes; a process that died settles none
  ARGV[5] lifetime_ms     longer than the day
  REPLY   TAKEN | SPENT | BUSY
          (again with the same try: TAKEN) BUSY: those being tried may yet be right.
]]
--#include lib/clock
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 'TAKEN' end
local tries = redis.call('HMGET', KEYS[1], 'wrong', 'right')
local left = ARGV[2] + math.floor((tonumber(tries[2]) or 0) / ARGV[3]) - (tonumber(tries[1]) or 0)
if left <= 0 then return 'SPENT' end
if redis.call('ZCARD', KEYS[2]) >= left then return 'BUSY' end
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 'TAKEN'
