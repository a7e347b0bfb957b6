#!lua
--[[ arrivals/settle-try: count what came of a try, or give it back.
  KEYS[1] key_tries   hash  wrong, right
  KEYS[2] key_trying  zset  try -> when its lease ends
  ARGV[1] try
  ARGV[2] as           wrong, right (of an arrival that is new), or '' for neither
  ARGV[3] lifetime_ms  longer than the day
  REPLY   SETTLED      (again: counted once)
]]
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 and ARGV[2] ~= '' then
  redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 'SETTLED'
