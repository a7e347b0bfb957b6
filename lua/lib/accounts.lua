-- An account is charged once for each person it ever entered in a release, so that cycling people
-- through it gains nothing. False when that would be more than its limit; otherwise all of these
-- people are charged.
local function charge_account(accounts, account, entry_ids, limit)
  local held = redis.call('HGET', accounts, account) or ''
  local marks = held
  for _, id in ipairs(entry_ids) do
    local mark, known = string.sub(id, 1, 6), false
    for i = 1, #marks, 6 do known = known or string.sub(marks, i, i + 5) == mark end
    if not known then marks = marks .. mark end
  end
  if marks == held then return true end
  if #marks / 6 > limit then return false end
  redis.call('HSET', accounts, account, marks)
  return true
end
