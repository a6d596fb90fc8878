-- Requests of all kinds, and whether each is answered as it has to be: wrk's side of load.py.
--
-- wrk has to be started with one connection for each thread: an answer is then that of the request before it. What
-- to do comes in the environment:
--   ENDURANCE_TOKENS   a file with one token a line; each thread takes its share, so no account has two writers
--   ENDURANCE_THREADS  the number of threads
--   ENDURANCE_EMAIL    base64 of the address of an account
--   ENDURANCE_CLOSE    not empty: a connection for each request
--   ENDURANCE_DELAY    milliseconds before each request
-- Printed is a line for each kind of request and its status, and for the first answers that were wrong:
--   COUNT number status kind
--   WRONG kind: status, body
--   BROKEN number      requests without an answer, but for those under way at the end
local started = 0
local all = {} -- the threads

function setup(thread)
  thread:set("number", started)
  started = started + 1
  all[started] = thread
end

-- ---- what a wallet contains follows from its sequence

local wallets = {}
local function wallet_of(sequence)
  local size = sequence % 250 == 0 and 90000 or sequence % 20 == 0 and 5000 or 100 + sequence % 200
  wallets[size] = wallets[size] or string.rep("w", size)
  return wallets[size]
end

local function state(sequence)
  return '"encryptedWallet":"' .. wallet_of(sequence) .. '","sequence":' .. sequence .. ',"hmac":"h' .. sequence .. '"'
end

-- ---- requests as text

local close = os.getenv("ENDURANCE_CLOSE") ~= "" and "Connection: close\r\n" or ""

local function request_of(method, path, headers)
  return method .. " " .. path .. " HTTP/1.1\r\nHost: localhost\r\n" .. close .. (headers or "") .. "\r\n"
end

local function post(path, body)
  return request_of("POST", path, "Content-Length: " .. #body .. "\r\n") .. body
end

local function write3(account, sequence)
  return '{"token":"' .. account.token .. '",' .. state(sequence) .. "}"
end

local function write1(account, sequence)
  return '{"version":1,"token":"' .. account.token .. '",' .. state(sequence) .. "}"
end

local function in_chunks(body)
  local half = math.floor(#body / 2)
  local text = {}
  for _, part in ipairs({body:sub(1, half), body:sub(half + 1)}) do
    text[#text + 1] = string.format("%x\r\n%s\r\n", #part, part)
  end
  return table.concat(text) .. "0\r\n\r\n"
end

-- ---- the kinds: each gives text, status and, where it can be told, the whole body or how it begins

local reasons = {[400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [409] = "Conflict", [413] = "Request Entity Too Large", [426] = "Upgrade Required"}

local function stored(account)
  return function() account.sequence = account.sequence + 1 end
end

local function refused(text, status, detail)
  return {text = text, status = status, begins = '{"error":"' .. reasons[status] .. (detail or "")}
end

local nobody = string.rep("0123456789abcdef", 4)
local upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
local email = os.getenv("ENDURANCE_EMAIL")
local too_large = string.rep("x", 60000)

local function read3(a, headers)
  local path = "/api/3/wallet" .. (headers and "" or "?token=" .. a.token)
  return {text = request_of("GET", path, headers), status = 200, body = "{" .. state(a.sequence) .. "}"}
end

local kinds = {
  {14, "read", function(a) return read3(a) end},
  {6, "read by header", function(a) return read3(a, "Authorization: Bearer " .. a.token .. "\r\n") end},
  {8, "read unchanged", function(a)
    local headers = 'If-None-Match: "' .. a.sequence .. '"\r\n'
    return {text = request_of("GET", "/api/3/wallet?token=" .. a.token, headers), status = 304, body = ""}
  end},
  {8, "read, version 1", function(a)
    local body = '{"version":1,' .. state(a.sequence) .. ',"error":""}'
    return {text = request_of("GET", "/wallet?token=" .. a.token), status = 200, body = body}
  end},
  {12, "write", function(a)
    return {text = post("/api/3/wallet", write3(a, a.sequence + 1)), status = 200, body = "{}", after = stored(a)}
  end},
  {2, "write in chunks", function(a)
    local head = request_of("POST", "/api/3/wallet", "Transfer-Encoding: chunked\r\n")
    local text = head .. in_chunks(write3(a, a.sequence + 1))
    return {text = text, status = 200, body = "{}", after = stored(a)}
  end},
  {6, "write, version 1", function(a)
    local body = '{"version":1,' .. state(a.sequence + 1) .. ',"error":""}'
    return {text = post("/wallet", write1(a, a.sequence + 1)), status = 200, body = body, after = stored(a)}
  end},
  {5, "write, stale", function(a)
    return refused(post("/api/3/wallet", write3(a, a.sequence)), 409, ": Bad sequence number")
  end},
  {4, "write, stale, version 1", function(a)
    local body = '{"version":1,' .. state(a.sequence) .. ',"error":"Bad sequence number"}'
    return {text = post("/wallet", write1(a, a.sequence + 2)), status = 409, body = body}
  end},
  {5, "unknown token", function() return refused(request_of("GET", "/api/3/wallet?token=" .. nobody), 401) end},
  {3, "unknown token of an account", function(a)
    local token = a.token:sub(1, 24) .. nobody:sub(1, 40)
    return refused(post("/api/3/wallet", write3({token = token}, a.sequence + 1)), 401)
  end},
  {2, "no token", function() return refused(request_of("GET", "/wallet"), 400) end},
  {4, "broken JSON", function(a) return refused(post("/api/3/wallet", write3(a, 7):sub(1, -9)), 400) end},
  {2, "no JSON", function() return refused(post("/wallet", string.rep("\255", 200)), 400) end},
  {2, "unknown field", function(a)
    return refused(post("/api/3/wallet", '{"token":"' .. a.token .. '","sequence":1,"extra":[{"deep":[1,2]}]}'), 400)
  end},
  {2, "not valid", function()
    return refused(post("/api/3/signup", '{"email":"nobody","password":"secret123","clientSaltSeed":"5a"}'), 400)
  end},
  {2, "wrong method", function() return refused(request_of("DELETE", "/api/3/wallet?token=" .. nobody), 405) end},
  {1, "wrong method with a body", function(a)
    return refused((post("/api/3/wallet", write3(a, 1)):gsub("^POST", "PUT")), 405)
  end},
  {2, "unknown path", function() return refused(request_of("GET", "/api/2/wallet?token=" .. nobody), 404) end},
  {1, "unknown path with a body", function(a) return refused(post("/wallets/9", write1(a, 1)), 404) end},
  {3, "salt seed", function()
    local text = request_of("GET", "/api/3/client-salt-seed?email=" .. email)
    return {text = text, status = 200, begins = '{"clientSaltSeed":"'}
  end},
  {1, "salt seed of nobody", function()
    return refused(request_of("GET", "/api/3/client-salt-seed?email=bm9ib2R5QGV4YW1wbGUuY29t"), 404)
  end},
  {1, "salt seed without base64", function()
    return refused(request_of("GET", "/api/3/client-salt-seed?email=!!"), 400)
  end},
  {1, "unknown link of a mail", function()
    return {text = request_of("GET", "/api/3/verify?verifyToken=" .. nobody), status = 403}
  end},
  {1, "mail for nobody", function()
    return refused(post("/api/3/verify/resend", '{"email":"nobody@example.com"}'), 403)
  end},
  {1, "handshake of an unknown token", function()
    local headers = upgrade .. "Sec-WebSocket-Version: 13\r\n"
    return refused(request_of("GET", "/api/3/websocket?token=" .. nobody, headers), 401)
  end},
  {1, "handshake of another version", function(a)
    local headers = upgrade .. "Sec-WebSocket-Version: 12\r\n"
    return refused(request_of("GET", "/api/3/websocket?token=" .. a.token, headers), 426)
  end},
  {0.5, "too large, announced", function()
    return refused(request_of("POST", "/api/3/wallet", "Content-Length: 3000000000\r\n") .. "{", 413)
  end},
  {0.5, "too large, in chunks", function()
    return refused(request_of("POST", "/wallet", "Transfer-Encoding: chunked\r\n") .. in_chunks(too_large .. too_large), 413)
  end},
  {0.5, "metrics", function() return {text = request_of("GET", "/metrics"), status = 200, begins = "# HELP"} end},
}

-- ---- wrk's callbacks

local turns = {} -- each kind as often as its weight says, in the order of what a thread does
for _, kind in ipairs(kinds) do
  for _ = 1, 2 * kind[1] do
    turns[#turns + 1] = kind
  end
end

counts, wrong, broken = {}, {}, 0 -- of this thread; done() asks for them
local accounts, turn, asked, tried_out = {}, 0, nil, false

function init()
  local line_number = 0
  for line in io.lines(os.getenv("ENDURANCE_TOKENS")) do
    if line_number % tonumber(os.getenv("ENDURANCE_THREADS")) == number then
      accounts[#accounts + 1] = {token = line}
    end
    line_number = line_number + 1
  end
  tried_out = number ~= 0 -- wrk asks the first thread for a request that it does not send
  math.randomseed(os.time() * 100 + number)
  local wait = tonumber(os.getenv("ENDURANCE_DELAY"))
  if wait > 0 then
    function delay() return wait end
  end
end

-- Before anything else with an account: where does it stand?
local function look(account)
  local function after(status, body)
    account.sequence = status == 404 and 0 or tonumber(body:match('"sequence":(%d+)'))
  end
  return {text = request_of("GET", "/api/3/wallet?token=" .. account.token), first = true, after = after}
end

-- What can only be asked of an account that has a wallet begins with writing one.
local function make()
  local account = accounts[math.random(#accounts)]
  if not account.sequence then
    return "first look", look(account), account
  end
  local kind = account.sequence == 0 and kinds[5] or turns[math.random(#turns)]
  return kind[2], kind[3](account), account
end

function request()
  if not tried_out then
    tried_out = true
    return request_of("GET", "/")
  end
  if asked then -- the connection broke: whether a write has got through is to be seen
    broken = broken + 1
    asked.account.sequence = nil
  end
  local name, what, account = make()
  asked = what
  asked.name, asked.account = name, account
  return asked.text
end

local function as_expected(status, body)
  if asked.first then
    return status == 200 or status == 404
  end
  return status == asked.status and (not asked.body or body == asked.body)
    and (not asked.begins or body:sub(1, #asked.begins) == asked.begins)
end

function response(status, _, body)
  local key = status .. " " .. asked.name
  counts[key] = (counts[key] or 0) + 1
  if not as_expected(status, body) then
    if #wrong < 5 then
      wrong[#wrong + 1] = asked.name .. ": " .. status .. ", " .. body:sub(1, 200)
    end
    asked.account.sequence = nil
  elseif asked.after then
    asked.after(status, body)
  end
  asked = nil
end

function done(summary)
  local sums, gone = {}, 0
  for _, thread in ipairs(all) do
    for key, count in pairs(thread:get("counts")) do
      sums[key] = (sums[key] or 0) + count
    end
    for _, text in ipairs(thread:get("wrong")) do
      io.write("WRONG ", (text:gsub("%c", " ")), "\n")
    end
    gone = gone + thread:get("broken")
  end
  for key, count in pairs(sums) do
    io.write("COUNT ", count, " ", key, "\n")
  end
  local errors = summary.errors
  io.write("BROKEN ", math.max(gone, errors.connect + errors.read + errors.write + errors.timeout), "\n")
end
