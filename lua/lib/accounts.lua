-- The marks of an account or a device once these people are charged to it: each counts once,
-- however often it enters them, so that cycling people through it gains nothing. Nothing where that
-- would be more than its limit.
local function marks_with(accounts, holder, entry_ids, limit)
  local held = redis.call('HGET', accounts, holder) or ''
  local marks = held
  for _, id in ipairs(entry_ids) do
    local mark, known = string.sub(id, 1, 6), false
    for i = 1, #marks, 6 do known = known or string.sub(marks, i, i + 5) == mark end
    if not known then marks = marks .. mark end
  end
  if marks ~= held and #marks / 6 > limit then return nil end
  return marks
end

-- Charges people to whoever enters them: `account`, or `account|device`. The word for what is over
-- its limit, if anything; then nothing is charged. A release that was published before devices were
-- counted has no limit for them.
local function overcharged(release, accounts, by, entry_ids, limit)
  local account, device = string.match(by, '^([^|]*)|?(.*)$')
  local account_marks = marks_with(accounts, account, entry_ids, limit)
  if not account_marks then return 'TOO_MANY_ENTRIES' end
  local device_limit = device ~= '' and redis.call('HGET', release, 'entries_per_device')
  if device_limit then
    local device_marks = marks_with(accounts, 'd:' .. device, entry_ids, tonumber(device_limit))
    if not device_marks then return 'TOO_MANY_FROM_DEVICE' end
    redis.call('HSET', accounts, 'd:' .. device, device_marks)
  end
  redis.call('HSET', accounts, account, account_marks)
end
