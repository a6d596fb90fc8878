-- wrk's side of t/bench/run: requests of many accounts, in turn. What to do comes in the environment:
--   BENCH_MODE      get, conditional (a GET that is answered 304), post, mix (one POST in ten), login
--   BENCH_TOKENS    a file with one token a line (login: one request body a line)
--   BENCH_COUNT     so many lines of it are used; every thread takes its share, so no account has two writers
--   BENCH_STRIDE    so many accounts further is the next request's; without a divisor in common with their number
--   BENCH_THREADS   the number of threads
--   BENCH_SIZE      bytes of the wallet
--   BENCH_SEQUENCE  the sequence all wallets are at; of seven digits, so that all requests are equally long
--   BENCH_CLOSE     not empty: a connection for each request
--   BENCH_DELAY     milliseconds that a connection waits before each request
local path = "/api/3/wallet"
local started = 0

function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init()
  local lines, line_number = {}, 0
  for line in io.lines(os.getenv("BENCH_TOKENS")) do
    if line_number == tonumber(os.getenv("BENCH_COUNT")) then
      break
    end
    if line_number % tonumber(os.getenv("BENCH_THREADS")) == number then
      lines[#lines + 1] = line
    end
    line_number = line_number + 1
  end
  if os.getenv("BENCH_CLOSE") ~= "" then
    wrk.headers["Connection"] = "close"
  end
  local wait = tonumber(os.getenv("BENCH_DELAY"))
  if wait > 0 then
    function delay()
      return wait
    end
  end
  local count, turn, stride = #lines, 0, tonumber(os.getenv("BENCH_STRIDE"))
  local make = requests(os.getenv("BENCH_MODE"), lines)
  local tried_out = number ~= 0 -- wrk asks the first thread for a request that it does not send
  function request()
    if not tried_out then
      tried_out = true
      return make(1, true)
    end
    turn = (turn + stride) % count
    return make(turn + 1, false)
  end
end

-- A function from a line's number to the next request of it; `trial` must change nothing.
function requests(mode, lines)
  if mode == "post" then
    return posts(lines)
  elseif mode == "mix" then
    local get, post, asked = gets(lines, {}), posts(lines), 0
    return function(i, trial)
      asked = asked + (trial and 0 or 1)
      return asked % 10 == 0 and post(i, trial) or get(i)
    end
  elseif mode == "login" then
    local headers = {["Content-Type"] = "application/json"}
    return function(i)
      return wrk.format("POST", "/api/3/auth/full", headers, lines[i])
    end
  elseif mode == "conditional" then
    return gets(lines, {["If-None-Match"] = '"' .. os.getenv("BENCH_SEQUENCE") .. '"'})
  end
  return gets(lines, {})
end

-- All are alike but for the token, so Lua only joins three strings: with a million accounts, none are kept ready.
function gets(lines, headers)
  for name, value in pairs(wrk.headers) do
    headers[name] = value
  end
  local text = wrk.format("GET", path .. "?token=" .. lines[1], headers)
  local from, to = text:find(lines[1], 1, true)
  local before, after = text:sub(1, from - 1), text:sub(to + 1)
  return function(i)
    return before .. lines[i] .. after
  end
end

-- All are alike but for the sequence and the token, so Lua only joins five strings.
function posts(lines)
  local first = tonumber(os.getenv("BENCH_SEQUENCE"))
  local wallet = string.rep("w", tonumber(os.getenv("BENCH_SIZE")))
  local middle = ',"encryptedWallet":"' .. wallet .. '","hmac":"' .. string.rep("h", 64) .. '","token":"'
  local body = '{"sequence":' .. first .. middle .. lines[1] .. '"}'
  local headers = {["Content-Type"] = "application/json"}
  for name, value in pairs(wrk.headers) do
    headers[name] = value
  end
  local text = wrk.format("POST", path, headers, body)
  local head = text:sub(1, #text - #body) .. '{"sequence":'
  local sequences = {}
  for i = 1, #lines do
    sequences[i] = first
  end
  return function(i, trial)
    if not trial then
      sequences[i] = sequences[i] + 1
    end
    return head .. sequences[i] .. middle .. lines[i] .. '"}'
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
