-- Settles, and then takes the first choice that can be taken. See router.Store.Take.
--
-- KEYS: the cooldown of each choice, the session if there is one, the windows of the claims and then of the settlements.
-- ARGV: choices, caller's claims, settlements, the session's time in ms or 0; the caller's claims; for each choice the
-- number of its claims, and these; the settlements. A claim is limit, amount, width; a settlement width, time, delta.
-- Times are in microseconds. Returns the choice from 0 or -1, whether it is the session's, the time, the wait, the
-- caller's claim that was refused from 1 or 0, and, if any choice is cooling, what each cooldown has left.
--
-- A window is a hash: s is the sum, l the number of the newest bucket, and 0 to 120 the buckets by number modulo 121.

local BUCKETS, TOP = 120, 9007199254740992

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local k, a = 0, 4
local function key()
  k = k + 1
  return KEYS[k]
end
local function arg()
  a = a + 1
  return tonumber(ARGV[a])
end
local function int(n) return string.format('%.0f', n) end
local function slot(n) return int(n % (BUCKETS + 1)) end -- of the bucket with a number

local windows = {}

-- window reads a window's head, and the bucket that is most likely needed. value has what is known of the buckets, and
-- put says which have changed.
local function window(name, width)
  local w = windows[name]
  if not w then
    local s = slot(math.floor(now / width))
    local v = redis.call('HMGET', name, 's', 'l', s)
    w = {name = name, width = width, sum = tonumber(v[1]) or 0, last = tonumber(v[2]), value = {}, put = {}}
    w.value[s] = tonumber(v[3]) or 0
    windows[name] = w
  end
  return w
end

-- clamp: the server's clock may have been set back, or another server's be behind. A little: time stands still. By more
-- than the window: it begins anew.
local function clamp(w, at)
  local newest = (w.last or 0) * w.width
  if at >= newest or newest - at > BUCKETS * w.width then return at end
  return newest
end

-- read fetches those of some buckets that are not known yet.
local function read(w, slots)
  local unknown = {}
  for _, slot in ipairs(slots) do
    if not w.value[slot] then unknown[#unknown + 1] = slot end
  end
  if #unknown == 0 then return end
  local v = not w.empty and redis.call('HMGET', w.name, unpack(unknown)) or {}
  for i, slot in ipairs(unknown) do w.value[slot] = tonumber(v[i]) or 0 end
end

-- slots are those of the buckets from one number to another.
local function slots(from, to)
  local list = {}
  for n = from, to do list[#list + 1] = slot(n) end
  return list
end

-- advance drops the buckets that have left the window.
local function advance(w, at)
  local n = math.floor(clamp(w, at) / w.width)
  if n == w.last then return end
  if not w.last then
    w.empty = true
  elseif n < w.last or n > w.last + BUCKETS then
    w.empty, w.delete, w.sum, w.value, w.put = true, true, 0, {}, {}
  else
    local left = slots(w.last + 1, n)
    read(w, left)
    for _, s in ipairs(left) do
      if w.value[s] ~= 0 then w.sum, w.value[s], w.put[s] = w.sum - w.value[s], 0, true end
    end
  end
  w.last, w.moved = n, true
end

-- add corrects the bucket with a number; neither it nor the sum falls below 0.
local function add(w, n, delta)
  local s = slot(n)
  read(w, {s})
  delta = math.max(math.min(delta, TOP - w.sum), -w.value[s])
  w.value[s], w.put[s], w.sum = w.value[s] + delta, true, w.sum + delta
end

-- wait is the time until there is room for a claim, if nothing else is booked.
local function wait(c)
  local w = window(c.name, c.width)
  advance(w, now)
  local over = c.amount - (c.limit - w.sum)
  if over <= 0 then return 0 end
  read(w, slots(w.last - BUCKETS, w.last))
  local n = w.last - BUCKETS
  while n < w.last do
    over = over - w.value[slot(n)]
    if over <= 0 then break end
    n = n + 1
  end
  return (n + BUCKETS + 1) * w.width - now
end

local function waits(claims)
  local longest = 0
  for _, c in ipairs(claims) do longest = math.max(longest, wait(c)) end
  return longest
end

-- book books all claims, and returns the time at which it did, or nothing and the index of a claim without room.
local function book(claims)
  local at = now
  for _, c in ipairs(claims) do at = clamp(window(c.name, c.width), at) end
  for i, c in ipairs(claims) do
    local w = window(c.name, c.width)
    advance(w, at)
    if c.limit - w.sum < c.amount then
      for j = 1, i - 1 do add(windows[claims[j].name], windows[claims[j].name].last, -claims[j].amount) end
      return nil, i
    end
    add(w, w.last, c.amount)
  end
  for _, c in ipairs(claims) do windows[c.name].dirty = true end
  return at
end

-- What was asked.

local choices, callers, settlements = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ttl = ARGV[4]
k = choices
local session = ttl ~= '0' and key()
local function claims(n)
  local list = {}
  for i = 1, n do list[i] = {name = key(), limit = arg(), amount = arg(), width = arg()} end
  return list
end
local caller = claims(callers)
local offered = {}
for i = 1, choices do offered[i] = claims(arg()) end

for i = 1, settlements do
  local name, width, at, delta = key(), arg(), arg(), arg()
  local w = window(name, width)
  if w.last then
    advance(w, now)
    local n = math.floor(at / width)
    if n >= w.last - BUCKETS and n <= w.last then
      add(w, n, delta)
      w.dirty = true
    end
  end
end

local cooling, left = false, {}
if choices > 0 then
  for i, v in ipairs(redis.call('MGET', unpack(KEYS, 1, choices))) do
    left[i] = v and math.max(tonumber(v) - now, 0) or 0
    cooling = cooling or left[i] > 0
  end
end

local first
if session then
  local at = redis.call('GET', session)
  for i = 1, choices do
    if at == KEYS[i] then first = i break end
  end
end

local taken, refused, at = 0, 0, now
local order = {first}
for i = 1, choices do
  if i ~= first then order[#order + 1] = i end
end
for _, i in ipairs(order) do
  if left[i] == 0 then
    local all = {}
    for _, c in ipairs(caller) do all[#all + 1] = c end
    for _, c in ipairs(offered[i]) do all[#all + 1] = c end
    local booked, full = book(all)
    if booked then
      taken, at = i, booked
      break
    elseif full <= callers then
      refused = full
      break
    end
  end
end

local soonest = 0
if taken > 0 then
  if session then redis.call('SET', session, KEYS[taken], 'PX', ttl) end
elseif choices > 0 then
  soonest = math.huge
  for i = 1, choices do soonest = math.min(soonest, math.max(left[i], waits(offered[i]))) end
  soonest = math.max(soonest, waits(caller), 1000)
end

for name, w in pairs(windows) do
  if w.dirty then
    if w.delete then redis.call('DEL', name) end
    local fields = {'s', int(w.sum), 'l', int(w.last)}
    for s in pairs(w.put) do
      fields[#fields + 1] = s
      fields[#fields + 1] = int(w.value[s])
    end
    redis.call('HSET', name, unpack(fields))
    -- The newest bucket is the last to leave.
    if w.moved then redis.call('PEXPIRE', name, int(math.ceil((BUCKETS + 2) * w.width / 1000))) end
  end
end

local reply = {taken - 1, taken > 0 and taken == first and 1 or 0, at, soonest, refused}
if cooling then
  for i = 1, choices do reply[5 + i] = left[i] end
end
return reply
