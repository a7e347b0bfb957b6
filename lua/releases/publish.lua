#!lua
--[[ releases/publish: freeze a manifest and set out its seats.
  KEYS[1] release   hash    times and limits as numbers, round, phase, published
  KEYS[2] draft     string
  KEYS[3] manifest  string  canonical JSON
  KEYS[4] seats     hash    slot/pool -> free seats
  KEYS[5] audit     stream
  ARGV[1] draft     as it was read, so that an import in between is not lost
  ARGV[2] manifest
  ARGV[3] state     JSON object of the release hash's fields
  ARGV[4] manifest_hash
  ARGV[.] field, seats, field, seats, …
  REPLY   PUBLISHED | ALREADY | DRAFT_CHANGED
]]
local manifest = redis.call('GET', KEYS[3])
if manifest then return manifest == ARGV[2] and 'PUBLISHED' or 'ALREADY' end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 'DRAFT_CHANGED' end
for field, value in pairs(cjson.decode(ARGV[3])) do redis.call('HSET', KEYS[1], field, value) end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('XADD', KEYS[5], '*', 'e', 'published ' .. ARGV[4])
return 'PUBLISHED'
