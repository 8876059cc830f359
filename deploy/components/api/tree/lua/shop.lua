-- The page of the shop: one line with a visit counter from the database and a checksum, so that a cut answer shows.
local ffi = require "ffi"
ffi.cdef "unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);"

local base = "/srv/cutover/api/current/"
local tries, pause = 100, 0.1 -- database and cache are restarted by their upgrades; a request waits that long for them

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- nginx asks no name server here: hosts are named in /etc/hosts.
local function addresses()
  local found = {}
  for line in read("/etc/hosts"):gmatch "[^\n]+" do
    local address, names = line:match "^([%d.]+)%s+(.*)$"
    for name in (names or ""):gmatch "%S+" do found[name] = address end
  end
  return found
end

local version = read(base .. "VERSION"):match "%S+"
local hosts = addresses()

local function checksum(text)
  local digest = ffi.new "unsigned char[32]"
  ffi.C.SHA256(text, #text, digest)
  return (ffi.string(digest, 4):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Sends one command and hands the connection to `receive`; nil and why when that failed.
local function once(host, port, command, receive)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, 1000, 2000)
  local connected, why = socket:connect(hosts[host], port)
  if not connected then return nil, why end
  local sent, value
  sent, why = socket:send(command)
  if sent then value, why = receive(socket) end
  socket:close()
  return value, why
end

local function ask(...)
  local value, why
  for _ = 1, tries do
    value, why = once(...)
    if value then return value end
    ngx.sleep(pause)
  end
  error(why)
end

local function integer(socket)
  local line, why = socket:receive "*l"
  if not line then return nil, why end
  return line:match "^:(%d+)", line
end

-- Whatever the cache says is good, as long as it is memcached that says it.
local function cached(socket)
  local line, why = socket:receive "*l"
  if not line then return nil, why end
  if line:match "^VERSION " then return line end
  return nil, line
end

local function answer()
  ask("cache-1", 11211, "version\r\n", cached)
  local visits = ask("db-1", 6379, "INCR visits\r\n", integer)
  local page = ("shop %s node nginx pid %d worker %s"):format(version, ngx.worker.pid(), visits)
  ngx.header["content-type"] = "text/plain"
  ngx.header["shop-version"] = version
  ngx.print(page, " sum ", checksum(page), "\n")
end

return { answer = answer }
