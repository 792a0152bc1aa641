-- Reserves, settles, or tells balances. See cost.Store.
--
-- KEYS: the queue of what expires, the reservation, the accounts. ARGV: what to do, how long settling late is possible;
-- then for reserve the amount, the TTL, and for each account its limit, width and end; for settle the amount; for
-- balances the width of each account. Times are in microseconds. An amount is two numbers, microdollars and the picodollars
-- beyond them, since the numbers of Lua are exact only up to 2^53.
--
-- reserve returns the account that refused from 1 or 0, what it has spent and reserved, and the wait; the others return
-- what each account has spent and reserved, and settle 0 in front if there is no such reservation, or 1.
--
-- An account is a hash: rh and rl are what is reserved, sh and sl what is spent, or, in a rolling window, b and a number
-- what is spent in that bucket. A reservation is a hash with h, l, n accounts in k1, w1 …, and at when it has expired.
-- What is not in KEYS has the same hash tag.

local UNIT, TOPH, TOPL, BUCKETS = 1000000, 9223372036854, 775807, 120

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local queue, reservation = KEYS[1], KEYS[2]
local a = 0
local function arg()
  a = a + 1
  return ARGV[a]
end
local function number() return tonumber(arg()) end
local function int(n) return string.format('%.0f', n) end

local function add(xh, xl, yh, yl)
  local h, l = xh + yh, xl + yl
  if l >= UNIT then h, l = h + 1, l - UNIT end
  if h > TOPH or h == TOPH and l > TOPL then return TOPH, TOPL end
  return h, l
end
local function sub(xh, xl, yh, yl) -- not below 0
  local h, l = xh - yh, xl - yl
  if l < 0 then h, l = h - 1, l + UNIT end
  if h < 0 then return 0, 0 end
  return h, l
end
local function above(xh, xl, yh, yl) return xh > yh or xh == yh and xl > yl end

-- load reads an account. width is that of a bucket; 0: it has none.
local function load(key, width)
  local acc = {key = key, width = width, sh = 0, sl = 0, bucket = {}, order = {}}
  if width == 0 then
    local v = redis.call('HMGET', key, 'rh', 'rl', 'sh', 'sl')
    acc.rh, acc.rl, acc.sh, acc.sl = tonumber(v[1]) or 0, tonumber(v[2]) or 0, tonumber(v[3]) or 0, tonumber(v[4]) or 0
    return acc
  end
  acc.rh, acc.rl, acc.first = 0, 0, math.floor(now / width) - BUCKETS
  local v = redis.call('HGETALL', key)
  for i = 1, #v, 2 do
    local n = tonumber(string.match(v[i], '^b(%d+)$'))
    if not n then
      acc[v[i]] = tonumber(v[i + 1])
    elseif n < acc.first then
      redis.call('HDEL', key, v[i])
    else
      local h, l = string.match(v[i + 1], '^(%d+) (%d+)$')
      acc.bucket[n] = {tonumber(h), tonumber(l)}
      acc.order[#acc.order + 1] = n
    end
  end
  table.sort(acc.order)
  for _, n in ipairs(acc.order) do acc.sh, acc.sl = add(acc.sh, acc.sl, acc.bucket[n][1], acc.bucket[n][2]) end
  return acc
end

local function hold(acc, h, l)
  acc.rh, acc.rl = add(acc.rh, acc.rl, h, l)
  redis.call('HSET', acc.key, 'rh', int(acc.rh), 'rl', int(acc.rl))
end
local function release(acc, h, l)
  acc.rh, acc.rl = sub(acc.rh, acc.rl, h, l)
  redis.call('HSET', acc.key, 'rh', int(acc.rh), 'rl', int(acc.rl))
end

-- spend books an amount at a time, in place of another that was booked then.
local function spend(acc, at, h, l, oldh, oldl)
  if acc.width == 0 then
    acc.sh, acc.sl = sub(acc.sh, acc.sl, oldh, oldl)
    acc.sh, acc.sl = add(acc.sh, acc.sl, h, l)
    redis.call('HSET', acc.key, 'sh', int(acc.sh), 'sl', int(acc.sl))
    return
  end
  local n = math.floor(at / acc.width)
  if n < acc.first then return end
  local b = acc.bucket[n] or {0, 0}
  acc.sh, acc.sl = sub(acc.sh, acc.sl, oldh, oldl)
  acc.sh, acc.sl = add(acc.sh, acc.sl, h, l)
  b[1], b[2] = sub(b[1], b[2], oldh, oldl)
  b[1], b[2] = add(b[1], b[2], h, l)
  redis.call('HSET', acc.key, 'b' .. int(n), int(b[1]) .. ' ' .. int(b[2]))
end

-- accounts are those of a reservation. One that is gone has had its time.
local function accounts(r)
  local list = {}
  for i = 1, tonumber(r.n) do
    if redis.call('EXISTS', r['k' .. i]) == 1 then
      list[#list + 1] = load(r['k' .. i], tonumber(r['w' .. i]))
    else
      list[#list + 1] = false
    end
  end
  return list
end

local function read(key)
  local v, r = redis.call('HGETALL', key), {}
  for i = 1, #v, 2 do r[v[i]] = v[i + 1] end
  return r.n and r
end

-- keep lets a key live for at least so long.
local function keep(key, us)
  local left = redis.call('PTTL', key)
  if left < us / 1000 then redis.call('PEXPIRE', key, int(math.ceil(us / 1000))) end
end

local op, late = arg(), number()

for _, key in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', int(now), 'LIMIT', 0, 1000)) do
  local r = read(key)
  if r then
    local due = tonumber(redis.call('ZSCORE', queue, key))
    for _, acc in ipairs(accounts(r)) do
      if acc then
        release(acc, tonumber(r.h), tonumber(r.l))
        spend(acc, due, tonumber(r.h), tonumber(r.l), 0, 0)
      end
    end
    redis.call('HSET', key, 'at', int(due))
    redis.call('PEXPIRE', key, int(late / 1000))
  end
  redis.call('ZREM', queue, key)
end

local reply = {}
local function tell(acc)
  for _, v in ipairs({acc.sh, acc.sl, acc.rh, acc.rl}) do reply[#reply + 1] = v end
end

if op == 'balances' then
  for i = 3, #KEYS do tell(load(KEYS[i], number())) end
  return reply
end

local h, l = number(), number()

if op == 'settle' then
  local r = read(reservation)
  if not r then return {0} end
  reply[1] = 1
  for _, acc in ipairs(accounts(r)) do
    if not acc then
      tell({sh = 0, sl = 0, rh = 0, rl = 0})
    else
      if r.at then
        spend(acc, tonumber(r.at), h, l, tonumber(r.h), tonumber(r.l))
      else
        release(acc, tonumber(r.h), tonumber(r.l))
        spend(acc, now, h, l, 0, 0)
      end
      if acc.width > 0 then keep(acc.key, acc.width * (BUCKETS + 2) + late) end
      tell(acc)
    end
  end
  redis.call('DEL', reservation)
  redis.call('ZREM', queue, reservation)
  return reply
end

local ttl = number()
if redis.call('EXISTS', reservation) == 1 then return {0, 0, 0, 0, 0, 0} end
local list = {}
for i = 3, #KEYS do
  local limith, limitl, width, ends = number(), number(), number(), number()
  local acc = load(KEYS[i], width)
  acc.ends = ends
  local heldh, heldl = add(acc.sh, acc.sl, acc.rh, acc.rl)
  local mosth, mostl = sub(limith, limitl, h, l) -- that may be held already
  if (h > 0 or l > 0) and (above(h, l, limith, limitl) or above(heldh, heldl, mosth, mostl)) then
    local wait = width * BUCKETS
    for _, n in ipairs(acc.order) do
      heldh, heldl = sub(heldh, heldl, acc.bucket[n][1], acc.bucket[n][2])
      if not above(heldh, heldl, mosth, mostl) then
        wait = math.max((n + BUCKETS + 1) * width - now, 1000)
        break
      end
    end
    reply[1] = i - 2
    tell(acc)
    reply[6] = wait
    return reply
  end
  list[#list + 1] = acc
end
local fields = {'h', int(h), 'l', int(l), 'n', #list}
for i, acc in ipairs(list) do
  hold(acc, h, l)
  fields[#fields + 1] = 'k' .. i
  fields[#fields + 1] = acc.key
  fields[#fields + 1] = 'w' .. i
  fields[#fields + 1] = int(acc.width)
  if acc.width > 0 then
    keep(acc.key, acc.width * (BUCKETS + 2) + ttl + 2 * late)
  elseif acc.ends > 0 then
    keep(acc.key, math.max(acc.ends - now, 0) + ttl + 2 * late)
  end
end
redis.call('HSET', reservation, unpack(fields))
redis.call('ZADD', queue, int(now + ttl), reservation)
return {0, 0, 0, 0, 0, 0}
