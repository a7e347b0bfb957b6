#!lua
--[[ reconcile/offer: whether an offer and the list of its round's offers agree, at one instant; and
  to mend the list, which then can give nothing twice: see docs/reconcile.md.
  KEYS[1] release        hash    published, unexpired_round
  KEYS[2] bookings       hash    entry_id -> packed booking
  KEYS[3] offers         hash    entry_id -> '' of the round
  KEYS[4] displacements  hash    entry_id.grant -> round that took this booking
  KEYS[5] audit          stream
  ARGV[1] entry_id
  ARGV[2] round
  ARGV[3] act            LOOK | MEND
  REPLY   RIGHT | OVERLOOKED | STALE | UNLISTED | MENDED     (again: RIGHT)
          STALE: in the list, and no such offer is out; bookings/expire would let what it became
          lapse. UNLISTED: out, and not in the list, so that it never expires. OVERLOOKED: out, of a
          round that nobody looks at any more. MENDED: what was STALE is out of the list, what was
          UNLISTED in it. What is STALE for want of any booking stays, as a trace of one.
]]
--#include lib/booking
local id, round = ARGV[1], ARGV[2]
local state = redis.call('HMGET', KEYS[1], 'published', 'unexpired_round')
if not state[1] or tonumber(round) > tonumber(state[1]) then return 'RIGHT' end
local packed = redis.call('HGET', KEYS[2], id)
local booking = packed and unpack_booking(packed)
local is_out = booking and booking.state == 'OFFERED' and booking.grant == round
local is_listed = redis.call('HEXISTS', KEYS[3], id) == 1
if is_out then
  if tonumber(round) < tonumber(state[2]) then return 'OVERLOOKED' end
  if is_listed then return 'RIGHT' end
  if ARGV[3] ~= 'MEND' then return 'UNLISTED' end
  redis.call('HSET', KEYS[3], id, '')
  redis.call('XADD', KEYS[5], '*', 'e', 'repaired offer-unlisted ' .. id .. ' ' .. round)
  return 'MENDED'
end
-- What a change took from somebody stays in the list until its round is looked at: that is right.
if not is_listed or redis.call('HEXISTS', KEYS[4], id .. '.' .. round) == 1 then return 'RIGHT' end
if ARGV[3] ~= 'MEND' or not packed then return 'STALE' end
redis.call('HDEL', KEYS[3], id)
redis.call('XADD', KEYS[5], '*', 'e', 'repaired offer-stale ' .. id .. ' ' .. round)
return 'MENDED'
