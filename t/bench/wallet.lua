-- wrk's side of t/bench/run: GET or POST of many wallets, in turn. What to do comes in the environment:
--   BENCH_MODE      get or post
--   BENCH_TOKENS    a file with one token a line; every thread takes its share, so no account has two writers
--   BENCH_THREADS   the number of threads
--   BENCH_SIZE      bytes of the wallet
--   BENCH_SEQUENCE  the sequence all wallets are at; of seven digits, so that all requests are equally long
local path = "/api/3/wallet"
local started = 0

function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init()
  local tokens, line_number = {}, 0
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    if line_number % tonumber(os.getenv("BENCH_THREADS")) == number then
      tokens[#tokens + 1] = token
    end
    line_number = line_number + 1
  end
  count, turn = #tokens, 0
  if os.getenv("BENCH_MODE") == "get" then
    prepare_get(tokens)
  else
    prepare_post(tokens)
  end
end

function prepare_get(tokens)
  local requests = {}
  for i, token in ipairs(tokens) do
    requests[i] = wrk.format("GET", path .. "?token=" .. token)
  end
  function request()
    turn = turn % count + 1
    return requests[turn]
  end
end

-- All requests are alike but for the sequence and the token, so Lua only joins five strings.
function prepare_post(tokens)
  local first = tonumber(os.getenv("BENCH_SEQUENCE"))
  local wallet = string.rep("w", tonumber(os.getenv("BENCH_SIZE")))
  local middle = ',"encryptedWallet":"' .. wallet .. '","hmac":"' .. string.rep("h", 64) .. '","token":"'
  local body = '{"sequence":' .. first .. middle .. tokens[1] .. '"}'
  local text = wrk.format("POST", path, {["Content-Type"] = "application/json"}, body)
  local head = text:sub(1, #text - #body) .. '{"sequence":'
  local sequences = {}
  for i = 1, count do
    sequences[i] = first
  end
  local tried_out = number ~= 0 -- wrk asks the first thread for a request that it does not send
  function request()
    if not tried_out then
      tried_out = true
      return text
    end
    turn = turn % count + 1
    sequences[turn] = sequences[turn] + 1
    return head .. sequences[turn] .. middle .. tokens[turn] .. '"}'
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
