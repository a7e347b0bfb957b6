#!lua
--[[ gates/revoke: publish from which epoch on an account's access tokens stand.
  KEYS[1] revoked     string  the epoch, for as long as tokens of an earlier one may live
  ARGV[1] epoch
  ARGV[2] lifetime_ms
  REPLY   REVOKED
]]
-- Two who sign out at once may arrive here in either order: the later epoch stays.
if (tonumber(redis.call('GET', KEYS[1])) or 0) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 'REVOKED'
