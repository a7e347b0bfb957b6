-- An account is charged once for each person it ever entered in a release, so that cycling people
-- through it gains nothing. False when it has reached its limit; otherwise the charge is written.
local function charge_account(accounts, account, entry_id, limit)
  local mark = string.sub(entry_id, 1, 6)
  local marks = redis.call('HGET', accounts, account) or ''
  for i = 1, #marks, 6 do
    if string.sub(marks, i, i + 5) == mark then return true end
  end
  if #marks / 6 >= limit then return false end
  redis.call('HSET', accounts, account, marks .. mark)
  return true
end
