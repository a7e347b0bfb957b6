#!lua
--[[ http/mark: mark that a request with an Idempotency-Key is at work, unless one was before.
  KEYS[1] idempotency  string  fingerprint, 'pending', who; or fingerprint, 'reply', encrypted
  KEYS[2] attempts     string  keys that the owner has used, in a day from the first
  ARGV[1] mark
  ARGV[2] mark_s
  ARGV[3] attempts_s
  REPLY   MARKED attempts | FOUND attempts value
          (again: MARKED, and its attempt is not counted anew)
]]
local found = redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX', 'GET')
if not found and redis.call('INCR', KEYS[2]) == 1 then
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
local attempts = tonumber(redis.call('GET', KEYS[2])) or 1
if found and found ~= ARGV[1] then return { 'FOUND', attempts, found } end
return { 'MARKED', attempts }
