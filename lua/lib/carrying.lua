-- The hash `carrying` holds the standing entries that are on their way into a later release, a batch
-- at most: taken out of `standing`, and gone once they have arrived there. One that is withdrawn
-- meanwhile keeps its place with a minus before it, so that whoever carries it takes it back there.

-- Whether something stood or was on its way.
local function take_back_standing(standing, carrying, id)
  local stood = redis.call('HDEL', standing, id) == 1
  local moving = redis.call('HGET', carrying, id)
  if not moving or string.sub(moving, 1, 1) == '-' then return stood end
  redis.call('HSET', carrying, id, '-' .. moving)
  return true
end
