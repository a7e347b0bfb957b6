#!lua
--[[ http/forget-mark: take back the mark that a request is at work, unless it ended and another
  request has set its own since.
  KEYS[1] idempotency  string  fingerprint, 'pending', who; or fingerprint, 'reply', encrypted
  ARGV[1] mark
  REPLY   FORGOTTEN | GONE
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'GONE' end
redis.call('DEL', KEYS[1])
return 'FORGOTTEN'
