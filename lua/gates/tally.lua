#!lua
--[[ gates/tally: add what a process refused in a release. Sent twice, it counts twice.
  KEYS[1] release   hash  there once it is published; nothing is kept of one that is not
  KEYS[2] refusals  hash  error code -> requests
  KEYS[3] accounts  zset  account -> requests refused
  KEYS[4] devices   zset  device -> requests refused
  KEYS[5] networks  zset  keyed hash of a network -> requests refused
  ARGV[1] most      offenders of a kind to keep; up to twice as many in between
  ARGV[.] name, count, name, count, …  an error code, or account:id, device:id, network:hash
  REPLY   RELEASE_UNKNOWN | TALLIED
]]
--#include lib/tally
if redis.call('EXISTS', KEYS[1]) == 0 then return 'RELEASE_UNKNOWN' end
local offenders = { account = KEYS[3], device = KEYS[4], network = KEYS[5] }
add_counts(KEYS[2], offenders, tonumber(ARGV[1]), 2)
return 'TALLIED'
