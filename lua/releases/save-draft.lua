#!lua
--[[ releases/save-draft: create a draft, or replace one that is as it was read.
  KEYS[1] draft     string  JSON
  KEYS[2] manifest  string
  ARGV[1] draft
  ARGV[2] expected  the draft as it was read; '' to create
  REPLY   SAVED | EXISTS | PUBLISHED | DRAFT_CHANGED
]]
if redis.call('EXISTS', KEYS[2]) == 1 then return 'PUBLISHED' end
local held = redis.call('GET', KEYS[1]) or ''
if held == ARGV[1] then return 'SAVED' end
if held ~= ARGV[2] then return ARGV[2] == '' and 'EXISTS' or 'DRAFT_CHANGED' end
redis.call('SET', KEYS[1], ARGV[1])
return 'SAVED'
