#!lua
--[[ gates/spend-sms: take one SMS from a budget, or say which window is spent.
  KEYS[1] minute   string  SMS in this minute
  KEYS[2] hour     string  SMS in this hour
  KEYS[3] unused_network  string  SMS of one network whose OTP was not used, in its hour
  KEYS[4] unused_device   string  likewise of one device
  ARGV[1] most_a_minute
  ARGV[2] most_an_hour
  ARGV[3] most_unused_network  or '' where they are not counted
  ARGV[4] most_unused_device   likewise
  REPLY   GRANTED | SPENT wait_ms
]]
local windows = {
  { KEYS[1], tonumber(ARGV[1]), 60000 },
  { KEYS[2], tonumber(ARGV[2]), 3600000 },
}
local function bound_unused(counter, most)
  if most ~= '' then windows[#windows + 1] = { counter, tonumber(most), 3600000 } end
end
bound_unused(KEYS[3], ARGV[3])
bound_unused(KEYS[4], ARGV[4])
local wait = 0
for _, window in ipairs(windows) do
  local spent = tonumber(redis.call('GET', window[1])) or 0
  if spent >= window[2] then wait = math.max(wait, redis.call('PTTL', window[1])) end
end
if wait > 0 then return { 'SPENT', wait } end
for _, window in ipairs(windows) do
  if redis.call('INCR', window[1]) == 1 then redis.call('PEXPIRE', window[1], window[3]) end
end
return 'GRANTED'
