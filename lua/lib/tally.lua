-- Adds counts: of a reason, or of a caller, whose name is `kind:id`; `offenders`: the key of each
-- kind. Offenders are cut back to the most refused of them when there are twice as many: until
-- then, whoever comes often but not all at once has time to stand out from those who came once.
local function add_counts(refusals, offenders, most, first)
  for i = first, #ARGV, 2 do
    local kind, id = string.match(ARGV[i], '^(%l+):(.*)$')
    if kind then
      redis.call('ZINCRBY', offenders[kind], ARGV[i + 1], id)
    else
      redis.call('HINCRBY', refusals, ARGV[i], ARGV[i + 1])
    end
  end
  for _, key in pairs(offenders) do
    if redis.call('ZCARD', key) > 2 * most then
      redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
    end
  end
end
