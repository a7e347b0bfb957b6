#!lua
--[[ people/erase-account: forget an account that lists nobody any more, and end its access tokens.
  KEYS[1] account        hash    mobile, created_at_ms, language, epoch
  KEYS[2] beneficiaries  hash    person -> encrypted record
  KEYS[3] familiar       zset    requester that signed in -> when last, in ms
  KEYS[4] image_captcha  string  keyed hash of an image's text
  KEYS[5] inbox          list    encrypted SMS texts; development only
  ARGV[1] epoch_lifetime_ms  for so long access tokens of before may live
  REPLY   LISTED | ERASED     (again: ERASED)
]]
if redis.call('HLEN', KEYS[2]) > 0 then return 'LISTED' end
local epoch = (tonumber(redis.call('HGET', KEYS[1], 'epoch')) or 0) + 1
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4], KEYS[5])
-- Whoever signs in with this mobile meanwhile gets tokens of this epoch: those of before stay
-- revoked, and those stand. Without them nobody is listed here any more (people/add-beneficiary).
redis.call('HSET', KEYS[1], 'epoch', epoch)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'ERASED'
