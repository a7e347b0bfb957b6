#!lua
--[[ bookings/tell: whether a seat is told of by SMS: of so many of an entry, the first.
  KEYS[1] told  hash  entry_id -> seats that were told of, in their order
  ARGV[1] entry_id
  ARGV[2] seat        the grant, s, the slot: a booking that is moved has another
  ARGV[3] most
  REPLY   NUMBER n | ENOUGH     (n from 1; again with the same seat: the same n)
]]
local held, count = redis.call('HGET', KEYS[1], ARGV[1]) or '', 0
for seat in string.gmatch(held, '%w+') do
  count = count + 1
  if seat == ARGV[2] then return { 'NUMBER', count } end
end
if count >= tonumber(ARGV[3]) then return 'ENOUGH' end
redis.call('HSET', KEYS[1], ARGV[1], held == '' and ARGV[2] or held .. ' ' .. ARGV[2])
return { 'NUMBER', count + 1 }
