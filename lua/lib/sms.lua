-- A packed SMS: template|attempts|queued_at_ms|worth_until_ms|reason|sealed. The reason says why
-- the last attempt failed; sealed is the SMS itself, encrypted. Nothing for what is no such thing.
local function unpack_sms(packed)
  local template, attempts, queued_at, worth_until, reason, sealed =
    string.match(packed or '', '^([^|]+)|(%d+)|(%d+)|(%d+)|([^|]*)|(.*)$')
  return sealed and {
    template = template, attempts = tonumber(attempts), queued_at = tonumber(queued_at),
    worth_until = tonumber(worth_until), reason = reason, sealed = sealed,
  }
end

local function whole(number)
  return string.format('%.0f', number)
end

local function pack_sms(sms)
  return table.concat({
    sms.template, whole(sms.attempts), whole(sms.queued_at), whole(sms.worth_until), sms.reason,
    sms.sealed,
  }, '|')
end

-- What waits no more and is kept nowhere.
local function forget(sms, due, queued, id)
  redis.call('ZREM', due, id)
  redis.call('ZREM', queued, id)
  return redis.call('HDEL', sms, id) == 1
end
