-- Takes an OTP off those of a mobile that nobody used; their window may have ended meanwhile.
local function take_off_unused(unused, requester, stranger)
  local function take_off(field)
    local left = tonumber(redis.call('HGET', unused, field)) or 0
    if left > 1 then
      redis.call('HINCRBY', unused, field, -1)
    else
      redis.call('HDEL', unused, field)
    end
  end
  take_off(requester)
  if stranger then take_off('strangers') end
end
