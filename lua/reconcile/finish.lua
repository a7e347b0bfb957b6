#!lua
--[[ reconcile/finish: keep what a run over all releases found, and give its lease back.
  KEYS[1] lease  string  worker
  KEYS[2] last   hash    finished_at_ms, duration_ms, counts
  ARGV[1] worker       '' of who ran it without a lease
  ARGV[2] duration_ms
  ARGV[3] counts       JSON: findings by kind, those that were mended left out
  REPLY   FINISHED
]]
--#include lib/clock
redis.call('HSET', KEYS[2], 'finished_at_ms', string.format('%.0f', now_ms()), 'duration_ms',
  ARGV[2], 'counts', ARGV[3])
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 'FINISHED'
