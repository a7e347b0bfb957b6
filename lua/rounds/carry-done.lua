#!lua
--[[ rounds/carry-done: these standing entries are on their way no longer: they have arrived, or
  they stay for another attempt. One that changed since it was read was withdrawn, and keeps its
  place until that is seen to.
  KEYS[1] standing  hash  entry_id -> packed standing entry
  KEYS[2] carrying  hash  entry_id -> packed standing entry; see lib/carrying
  ARGV[1] whither   ARRIVED | BACK
  ARGV[.] entry_id, standing as it was read, entry_id, …
  REPLY   DONE      (again: DONE)
]]
for i = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then
    if ARGV[1] == 'BACK' then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
return 'DONE'
