#!lua
--[[ people/add-beneficiary: list a person under an account, within its limit, before they are bound
  to it (people/register). Who takes them off looks first whether a request may yet bind them.
  KEYS[1] account        hash  created_at_ms, epoch
  KEYS[2] beneficiaries  hash  person -> encrypted record
  KEYS[3] adding         set   requests that may yet bind this person
  ARGV[1] person
  ARGV[2] record
  ARGV[3] limit
  ARGV[4] request   this one
  ARGV[5] lease_ms  it binds them well within this time, or not at all
  REPLY   ERASED | TOO_MANY | LISTED listed_at_ms record
          (first that applies; again: LISTED. The record of the first of requests side by side.)
]]
--#include lib/clock
-- All that is left of an account that was erased is its epoch.
local account = redis.call('HMGET', KEYS[1], 'created_at_ms', 'epoch')
if account[2] and not account[1] then return 'ERASED' end
local record = redis.call('HGET', KEYS[2], ARGV[1])
if not record and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then return 'TOO_MANY' end
-- Anew, so that a removal which has read an older record takes off nothing.
if not record or redis.call('EXISTS', KEYS[3]) == 0 then
  record = ARGV[2]
  redis.call('HSET', KEYS[2], ARGV[1], record)
end
redis.call('SADD', KEYS[3], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return { 'LISTED', now_ms(), record }
