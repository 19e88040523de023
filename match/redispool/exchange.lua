-- One batch of one node: takes tickets out, enlists or pairs others, and posts
-- messages to other nodes, as one atomic step. Every loop is bounded: the batch by
-- the caller, what is looked at by `steps`.
--
-- KEYS  tickets, nodes, met, then the queues, which the batch names by their place
-- ARGV  as batch.go builds it
-- Reply "lost" alone if the lease of the caller does not hold; else one answer for
--       each offer, and how many entries were dropped.
local tickets, nodes, met = KEYS[1], KEYS[2], KEYS[3]
local me, inbox = ARGV[1], ARGV[2]
local avoid, alone, young, crowdwait = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local life, steps, most = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local withdrawals, offers, letters, strangers = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local glance, page = tonumber(ARGV[14]), tonumber(ARGV[15])
local base = 3 -- queues come after these keys
local call, byte, sub = redis.call, string.byte, string.sub

local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- leases: whether a node lives, asked once for each
local leases = {}
local function lives(node)
  local is = leases[node]
  if is == nil then
    local until_ = call('HGET', nodes, node)
    is = until_ ~= false and (tonumber(string.match(until_, '^%d+')) or 0) > now
    leases[node] = is
  end
  return is
end
if not lives(me) then
  return {'lost'}
end

local at = 15
for _ = 1, withdrawals do
  local ticket, stands = ARGV[at + 1], ARGV[at + 2]
  at = at + 2
  if byte(stands, 1) == 1 then
    call('HDEL', tickets, ticket)
  end
  for i = 2, #stands do
    redis.pcall('ZREM', KEYS[base + byte(stands, i)], ticket)
  end
end
for _ = 1, strangers do -- who was noted as having met, and has not
  call('ZREM', met, ARGV[at + 1])
  at = at + 1
end

local dropped = 0
local mine, user, addr, since, crowded, unripe, cut, seen

-- patience is how long two have to have waited both before they may meet.
local function patience(value)
  local need = 0
  if young > 0 and sub(value, 13, 20) == addr and addr ~= '\0\0\0\0\0\0\0\0' then
    need = (crowded or byte(value, 21) == 49) and crowdwait or young
  end
  if avoid > 0 then
    local his = sub(value, 1, 12)
    local last = call('ZSCORE', met, user < his and user .. his or his .. user)
    if last and now - last < avoid then
      need = math.max(need, alone)
    end
  end
  return need
end

-- fits tells whether the one who looks may meet who stands there by that value,
-- and notes when he may if he may not yet.
local function fits(value)
  if sub(value, 1, 12) == user then
    return false
  end
  local need = patience(value)
  if need == 0 then
    return true
  end
  local left = need - (now - math.max(since, tonumber(sub(value, 30, 45))))
  if left > 0 and (unripe == 0 or left < unripe) then
    unripe = left
  end
  return left <= 0
end

-- valid is the value of a ticket that stands; what is none, or of a dead node, is
-- taken out of the queue.
local function valid(queue, ticket)
  local value = call('HGET', tickets, ticket)
  local node = string.match(ticket, '^(.+)%.%w+$')
  if value and node and #value > 45 and tonumber(sub(value, 30, 45)) and tonumber(sub(value, 46)) and lives(node) then
    return value
  end
  call('ZREM', queue, ticket)
  if value then
    call('HDEL', tickets, ticket)
    dropped = dropped + 1
  end
  return nil
end

-- first is who fits, from one place of a queue to another. Who stands at the head
-- does nearly always, so he is asked for alone.
local function first(queue, from, upto)
  local next_, probe = from, true
  while next_ < upto do
    local last = probe and next_ or upto - 1
    probe = false
    local list = redis.pcall('ZRANGE', queue, next_, last)
    if list.err then
      call('UNLINK', queue)
      return nil
    end
    local removed = 0
    for _, ticket in ipairs(list) do
      if steps <= 0 then
        cut = true
        return nil
      end
      steps = steps - 1
      if ticket ~= mine and not seen[ticket] then
        seen[ticket] = true
        local value = valid(queue, ticket)
        if not value then
          removed = removed + 1
        elseif fits(value) then
          return ticket, value
        end
      end
    end
    if #list <= last - next_ then
      return nil
    end
    next_ = last + 1 - removed -- those behind have moved up; `steps` bounds how often
  end
  cut = true
  return nil
end

-- find is who fits best: of the first group of queues in which somebody does, who
-- has waited longest. looks holds the groups, each after its size.
local function find(looks)
  local skip = byte(looks, 2)
  local from, upto = 0, glance
  if skip > 0 then
    from, upto = (skip - 1) * page, skip * page
  end
  local i = 3
  while i <= #looks do
    local best, value, order, where
    local size = byte(looks, i)
    for k = i + 1, i + size do
      local queue = KEYS[base + byte(looks, k)]
      local ticket, its = first(queue, from, upto)
      if ticket then
        local o = tonumber(sub(its, 46))
        if not best or o < order then
          best, value, order, where = ticket, its, o, queue
        end
      end
    end
    if best then
      return best, value, where
    end
    i = i + size + 1
  end
  return nil
end

local posts = {} -- for each inbox, the arguments of its XADD
local function post(node, letter)
  local args = posts[node]
  if not args then
    args = {'XADD', inbox .. node, 'NOMKSTREAM', 'MAXLEN', '~', most, '*'}
    posts[node] = args
  end
  args[#args + 1] = 'm'
  args[#args + 1] = letter
end

local touched = {}
local function stand(queue, order, ticket)
  local done = redis.pcall('ZADD', queue, order, ticket)
  if type(done) == 'table' and done.err then
    call('UNLINK', queue)
    call('ZADD', queue, order, ticket)
  end
  if not touched[queue] then
    touched[queue] = true
    call('PEXPIRE', queue, life)
  end
end

local answers = {}
for n = 1, offers do
  local value, looks, stands, blob = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  mine = ARGV[at + 1]
  at = at + 5
  local again = byte(looks, 1) == 1 -- it stands already, and looks around
  local is = again and call('HGET', tickets, mine)
  if again and (not is or sub(is, 22, 29) ~= sub(value, 22, 29)) then
    answers[n] = 'g'
  else
    user, addr, since = sub(value, 1, 12), sub(value, 13, 20), tonumber(sub(value, 30, 45))
    crowded, unripe, cut, seen = byte(value, 21) == 49, 0, false, {}
    local ticket, its, where = find(looks)
    if ticket then
      call('HDEL', tickets, ticket)
      call('ZREM', where, ticket)
      if again then
        call('HDEL', tickets, mine)
        for i = 1, #stands do
          call('ZREM', KEYS[base + byte(stands, i)], mine)
        end
      end
      local his = sub(its, 1, 12)
      if avoid > 0 then
        call('ZADD', met, now, user < his and user .. his or his .. user)
      end
      local node = string.match(ticket, '^(.+)%.%w+$')
      local name = ticket .. ':' .. sub(its, 22, 29)
      if node ~= me then
        post(node, 'M' .. name .. '\n' .. mine .. ':' .. sub(value, 22, 29) .. '\n' .. blob)
      end
      answers[n] = 'p' .. his .. name
    else
      call('HSET', tickets, mine, value)
      local order = sub(value, 46)
      for i = 1, #stands do
        stand(KEYS[base + byte(stands, i)], order, mine)
      end
      answers[n] = (cut and 'c' or 'w') .. string.format('%.0f', unripe)
    end
  end
end
for _ = 1, letters do
  post(ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
for _, args in pairs(posts) do
  redis.pcall(unpack(args))
end

-- Who met long ago is forgotten a few at a time, faster than they are noted.
if avoid > 0 and offers > 0 then
  local old = call('ZRANGE', met, '-inf', string.format('%.0f', now - avoid), 'BYSCORE', 'LIMIT', 0, 2 * offers)
  if #old > 0 then
    call('ZREM', met, unpack(old))
  end
end
answers[offers + 1] = tostring(dropped)
return answers
