#!lua
--[[ gates/tally-door: add what a process refused within an hour to requests that name no release.
  Sent twice, it counts twice.
  KEYS[1] refusals  hash  error code -> requests
  KEYS[2] accounts  zset  account -> requests refused
  KEYS[3] devices   zset  device -> requests refused
  KEYS[4] networks  zset  keyed hash of a network -> requests refused
  ARGV[1] most      offenders of a kind to keep; up to twice as many in between
  ARGV[2] lifetime_s
  ARGV[.] name, count, name, count, …  an error code, or account:id, device:id, network:hash
  REPLY   TALLIED
]]
--#include lib/tally
local offenders = { account = KEYS[2], device = KEYS[3], network = KEYS[4] }
add_counts(KEYS[1], offenders, tonumber(ARGV[1]), 3)
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[2]) end
return 'TALLIED'
