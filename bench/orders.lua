-- Posts orders for wrk: arguments are a file of bodies, a text that no other run uses, and milliseconds.
--
-- Every order has a key of its own, so no two are the same. When the time is up each connection sends
-- the beginning of a request and no more: nothing new is placed, everything under way is answered, and
-- the number of orders posted is exact.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *now);
]]
local now = ffi.new("bench_time")
local function milliseconds()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.seconds) * 1000 + tonumber(now.nanoseconds) / 1e6
end

local threads = {}
function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

posts = 0
local bodies, ends_at, window, run, is_tried = {}, nil, nil, nil, false
function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = "\r\nContent-Length: " .. #line .. "\r\n\r\n" .. line
  end
  run, window = arguments[2] .. "-" .. number .. "-", tonumber(arguments[3])
end

local head = "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: "
function request()
  -- wrk asks the first thread for a request that it looks at and does not send.
  if number == 0 and not is_tried then
    is_tried = true
    return head .. run .. "0" .. bodies[1]
  end
  local time = milliseconds()
  ends_at = ends_at or time + window
  if time >= ends_at then return "POST " end
  posts = posts + 1
  return head .. run .. posts .. bodies[(posts * 7919 + number * 104729) % #bodies + 1]
end

function done(summary, latency, requests)
  local posted, errors = 0, summary.errors
  for _, thread in ipairs(threads) do posted = posted + thread:get("posts") end
  io.write(string.format(
    '\n{"posted":%d,"answered":%d,"refused":%d,"broken":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d}\n',
    posted, summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
