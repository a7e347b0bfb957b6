-- Dead letters are kept for a time and up to a number: the oldest go first, and how many went.
local function drop_oldest_dead(sms, dead, ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', dead, id)
    redis.call('HDEL', sms, id)
  end
  return #ids
end

-- What waits no more, and is kept for an operator to look at.
local function bury(sms, due, queued, dead, id, letter, now, most)
  redis.call('ZREM', due, id)
  redis.call('ZREM', queued, id)
  redis.call('HSET', sms, id, pack_sms(letter))
  redis.call('ZADD', dead, whole(now), id)
  local over = redis.call('ZCARD', dead) - tonumber(most)
  if over <= 0 then return 0 end
  return drop_oldest_dead(sms, dead, redis.call('ZRANGE', dead, 0, over - 1))
end
