-- A person's claim is one short field, `c`: the release that it names, a space, and when it was last
-- used, in ms and base 36. There is one for everybody who entered, and names of fields and digits
-- of time were most of it. In TypeScript: src/people/claim-field.ts.
local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'

local function pack_claim(release, at_ms)
  local digits = ''
  while at_ms > 0 do
    local digit = at_ms % 36
    digits = string.sub(DIGITS, digit + 1, digit + 1) .. digits
    at_ms = (at_ms - digit) / 36
  end
  return release .. ' ' .. digits
end

-- The release and the time; nothing where there is no claim.
local function unpack_claim(packed)
  local release, digits = string.match(packed or '', '^(%S+) (%w+)$')
  if release then return release, tonumber(digits, 36) end
end

-- Whether there is a claim, and another than one that was seen to be over ('' for none).
local function is_other_claim(release, at_ms, stale, stale_at_ms)
  return release and not (release == stale and at_ms == tonumber(stale_at_ms))
end
