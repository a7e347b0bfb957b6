-- The marks of an account or a device, the first characters of entry ids end to end, once these
-- people are charged to it: each counts once, however often it enters them, so that cycling people
-- through it gains nothing; and how many of them are new to it. Nothing where that would be more
-- than its limit.
local function marks_with(accounts, holder, entry_ids, limit)
  local held = redis.call('HGET', accounts, holder) or ''
  local marks = held
  for _, id in ipairs(entry_ids) do
    local mark, known = string.sub(id, 1, 6), false
    for i = 1, #marks, 6 do known = known or string.sub(marks, i, i + 5) == mark end
    if not known then marks = marks .. mark end
  end
  local fresh = (#marks - #held) / 6
  if fresh > 0 and #marks / 6 > limit then return nil end
  return marks, fresh
end

-- Charges people to whoever enters them: `account`, `account|device` or `account|device|network`.
-- The word for what is over its limit, if anything; then nothing is charged. A release that was
-- published before devices were counted has no limit for them. A network has none: its people are
-- those who are new to their account, so that it takes a number and not the marks of a whole town.
local function overcharged(release, accounts, by, entry_ids, limit)
  local account, device, network = string.match(by, '^([^|]*)|?([^|]*)|?(.*)$')
  local account_marks, fresh = marks_with(accounts, account, entry_ids, limit)
  if not account_marks then return 'TOO_MANY_ENTRIES' end
  local device_limit = device ~= '' and redis.call('HGET', release, 'entries_per_device')
  if device_limit then
    local device_marks = marks_with(accounts, 'd:' .. device, entry_ids, tonumber(device_limit))
    if not device_marks then return 'TOO_MANY_FROM_DEVICE' end
    redis.call('HSET', accounts, 'd:' .. device, device_marks)
  end
  redis.call('HSET', accounts, account, account_marks)
  if network ~= '' and fresh > 0 then redis.call('HINCRBY', accounts, 'n:' .. network, fresh) end
end
