-- Keeps a key from being taken, for ARGV[1] microseconds; the longer time holds. See router.Store.Cool.
local time = redis.call('TIME')
local till = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1])
if till > (tonumber(redis.call('GET', KEYS[1])) or 0) then
  redis.call('SET', KEYS[1], string.format('%.0f', till), 'PX', string.format('%.0f', math.ceil(tonumber(ARGV[1]) / 1000)))
end
return 0
