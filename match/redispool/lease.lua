-- The lease of one node: taken or renewed. It learns who else lives and how many
-- wait there, and which of its own tickets Redis lacks; and it clears away what a
-- dead node has left, so much at a time.
--
-- KEYS  tickets, nodes, met, the node's inbox
-- ARGV  me, how (take, renew, drop), lease in µs, waiting, prefix of inboxes, id read up to,
--       most encounters, most tickets swept, own tickets to look for...
-- Reply {"lost"}, or {now in µs, [node, waiting]..., "", own tickets that lack...}
local tickets, nodes, met, inbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local me, how, lease, waiting, prefix, read = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local mostmet, mostswept = tonumber(ARGV[7]), tonumber(ARGV[8])
local call = redis.call

-- What is not of the kind that it should be is not ours: it goes.
for key, kind in pairs({[tickets] = 'hash', [nodes] = 'hash', [met] = 'zset', [inbox] = 'stream'}) do
  local is = call('TYPE', key).ok
  if is ~= kind and is ~= 'none' then
    call('UNLINK', key)
  end
end

local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local function deadline(value)
  return tonumber(string.match(value, '^%d+')) or 0
end

if how == 'drop' then
  call('HDEL', nodes, me)
  call('UNLINK', inbox)
  return {tostring(now)}
end
if how == 'renew' then
  local mine = call('HGET', nodes, me)
  if not mine or deadline(mine) <= now or call('EXISTS', inbox) == 0 then
    return {'lost'}
  end
  if read ~= '' then
    redis.pcall('XTRIM', inbox, 'MINID', read)
  end
else -- an inbox that is there from the beginning, for XADD with NOMKSTREAM
  call('XADD', inbox, '*', 'm', '')
end
call('HSET', nodes, me, string.format('%.0f', now + lease) .. '|' .. waiting)

local reply = {string.format('%.0f', now)}
local all, dead = call('HGETALL', nodes), false
for i = 1, #all, 2 do
  local node, value = all[i], all[i + 1]
  if node == 'sweep' then -- not a node: it has no dot
  elseif deadline(value) <= now then
    call('HDEL', nodes, node)
    call('UNLINK', prefix .. node)
    dead = true
  elseif node ~= me then
    reply[#reply + 1] = node
    reply[#reply + 1] = string.match(value, '|(%d+)$') or '0'
  end
end
if dead then
  call('HSET', nodes, 'sweep', '0')
end

-- The tickets of dead nodes: one walk over all, some at each call.
local cursor = call('HGET', nodes, 'sweep')
if cursor then
  local part = call('HSCAN', tickets, string.match(cursor, '^%d+$') or '0', 'COUNT', mostswept)
  local lives = {}
  for i = 1, #part[2], 2 do
    local ticket = part[2][i]
    local node = string.match(ticket, '^(.+)%.%w+$') or ''
    if lives[node] == nil then
      lives[node] = node ~= '' and call('HEXISTS', nodes, node) == 1
    end
    if not lives[node] then
      call('HDEL', tickets, ticket)
    end
  end
  if part[1] == '0' then
    call('HDEL', nodes, 'sweep')
  else
    call('HSET', nodes, 'sweep', part[1])
  end
end

local many = call('ZCARD', met) - mostmet
if many > 0 then
  call('ZREMRANGEBYRANK', met, 0, math.min(many, mostswept) - 1)
end

reply[#reply + 1] = ''
for i = 9, #ARGV do
  if call('HEXISTS', tickets, ARGV[i]) == 0 then
    reply[#reply + 1] = ARGV[i]
  end
end
return reply
