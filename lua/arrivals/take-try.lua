#!lua
--[[ arrivals/take-try: let an operator key try a security code, of so many wrong ones a day. Taken
  before the code is looked at, and given back if it was not wrong: however many are tried at once,
  no more than these can be wrong.
  KEYS[1] key_tries  string
  ARGV[1] most
  ARGV[2] lifetime_ms  longer than the day
  REPLY   TAKEN | SPENT
]]
if (tonumber(redis.call('GET', KEYS[1])) or 0) >= tonumber(ARGV[1]) then return 'SPENT' end
redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'TAKEN'
