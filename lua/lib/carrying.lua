-- The hash `carrying` holds the standing entries that are on their way into a later release, a batch
-- at most: taken out of `standing`, and gone once they have arrived there. One that is withdrawn
-- meanwhile keeps its place with a minus before it, so that whoever carries it takes it back there.
-- That is so also of one that is found in `standing` once entries were handed out: another worker
-- may have handed this one out before and be about to enter it.

-- Whether something stood or was on its way.
local function take_back_standing(release, standing, carrying, id)
  local stood = redis.call('HGET', standing, id)
  redis.call('HDEL', standing, id)
  local moving = redis.call('HGET', carrying, id)
  if not moving and stood and redis.call('HEXISTS', release, 'carrying_into') == 1 then
    moving = stood
  end
  if moving and string.sub(moving, 1, 1) ~= '-' then
    redis.call('HSET', carrying, id, '-' .. moving)
    return true
  end
  return stood and true or false
end
