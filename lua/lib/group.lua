-- The hash `members` holds, under the entry id of a group's lead, the ids that its people would have
-- alone, the lead's first; and under each other's id, the lead's. Nothing takes a membership back
-- when an entry goes: it counts as long as the lead's list names it, for what the lead's entry
-- stands for, and entering writes both anew.

-- The lead and the list of the group that an id is in; nothing for who is alone.
local function group_of(members, id)
  local ids = redis.call('HGET', members, id)
  if ids and #ids == #id then ids = redis.call('HGET', members, ids) end
  if ids and string.find(ids, id, 1, true) then return string.sub(ids, 1, #id), ids end
end
