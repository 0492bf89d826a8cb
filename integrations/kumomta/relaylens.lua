-- Sends KumoMTA's log records to relaylens, in batches, and loses none while relaylens is away.
--
-- Way: KumoMTA queues each log record like a message; this module takes them off that queue, posts them, and tells
-- KumoMTA to keep and retry what relaylens has not confirmed. Any answer but 2xx, and no answer, is "try later".
-- Source: https://docs.kumomta.com/userguide/operation/webhooks/ (batches need version 2024.11.08 or later).
-- Not run in our tests, which have no KumoMTA: it is written against the documented interface.
--
-- In /opt/kumomta/etc/policy/init.lua, at the top level and before the queue helper:
--
--   package.path = '/opt/kumomta/etc/policy/?.lua;' .. package.path
--   local relaylens = require 'relaylens'
--   relaylens:setup {
--     url = 'http://127.0.0.1:8080/v1/in/kumomta',
--     token = '/opt/kumomta/etc/relaylens.token',
--   }
--
-- In the shaping file (shaping.toml): the defaults are made for strangers' mail servers and would throttle the records.
--
--   ["relaylens.log_hook"]
--   mx_rollup = false
--   max_deliveries_per_connection = 8192
--   connection_limit = "local:10"
--
-- Each record is one more message in KumoMTA's queues: about three for each mail, which counts towards its capacity
-- (https://docs.kumomta.com/userguide/performance/loghooks/).

local kumo = require 'kumo'
local log_hooks = require 'policy-extras.log_hooks'

local mod = {}

-- What a deployment may set, with its default.
local DEFAULTS = {
  -- Name of the hook; its queue is `<name>.log_hook`. Change the shaping entry with it.
  name = 'relaylens',

  url = 'http://127.0.0.1:8080/v1/in/kumomta',

  -- A token of relaylens that may post events, as a KumoMTA keysource: the path of a file that holds it alone, or a
  -- table (https://docs.kumomta.com/reference/keysource/). Without one, no Authorization header is sent.
  token = nil,

  -- Most records of one request. A record is 1 to 2 KB, so 500 make a body of less than a megabyte.
  batch_size = 500,

  -- Passed on when set: fewer and fuller requests, at the price of the wait (KumoMTA's own defaults: no waiting).
  min_batch_size = nil,
  max_batch_latency = nil,

  -- How long relaylens may take to confirm a batch. It answers after its disk has the records.
  timeout = '30 seconds',

  -- Names that go into the records: relaylens makes tenant, campaign, stream, message id and sender domain of these
  -- and keeps all others as they are.
  meta = { 'tenant', 'campaign', 'stream' },
  headers = { 'Message-ID', 'From' },

  -- How long KumoMTA keeps a record that relaylens does not take. After `max_age` the record is lost.
  queue_config = {
    retry_interval = '1m',
    max_retry_interval = '5m',
    max_age = '7 days',
  },
}

-- The response code that KumoMTA keeps a record for. 5xx would throw it away.
local TRY_LATER = 451

-- Bytes of an answer that go into KumoMTA's log.
local ANSWER_BYTES_MAX = 200

local function with_defaults(options)
  for name in pairs(options) do
    -- `token` and the like have no default, so they are named here
    local known = DEFAULTS[name] ~= nil
      or name == 'token'
      or name == 'min_batch_size'
      or name == 'max_batch_latency'
    if not known then
      error(string.format("relaylens: there is no option '%s'", name), 3)
    end
  end
  return setmetatable(options, { __index = DEFAULTS })
end

-- The records of a batch as one JSON array. Their text is taken as it is: by way of Lua tables an empty array would
-- come out as an object.
local function body_of(messages)
  local records = {}
  for i, message in ipairs(messages) do
    records[i] = message:get_data()
  end
  return '[' .. table.concat(records, ',') .. ']'
end

-- Posts a batch. Returns relaylens' answer, or raises what makes KumoMTA retry; an error of the connection does so by
-- itself.
local function post(client, options, token, messages)
  local request = client
    :post(options.url)
    :header('Content-Type', 'application/json')
    :body(body_of(messages))
  if token then
    request:bearer_auth(token)
  end
  local response = request:send()
  local answer = string.format(
    '%d %s: %s',
    response:status_code(),
    response:status_reason() or '',
    string.sub(response:text() or '', 1, ANSWER_BYTES_MAX)
  )
  if not response:status_is_success() then
    -- also for 401 and 413: a wrong token is put right by hand, and a retried record comes in another batch
    kumo.reject(TRY_LATER, 'relaylens: ' .. answer)
  end
  return answer
end

local function load_token(keysource)
  if not keysource then
    return nil
  end
  -- a file written by an editor ends with a line end, which no header may hold
  local token = string.gsub(kumo.secrets.load(keysource), '%s+$', '')
  return token
end

-- Sets up the log hook. Call it once, outside of any event handler.
function mod:setup(options)
  options = with_defaults(options or {})

  log_hooks:new {
    name = options.name,
    batch_size = options.batch_size,
    min_batch_size = options.min_batch_size,
    max_batch_latency = options.max_batch_latency,
    log_parameters = {
      meta = options.meta,
      headers = options.headers,
    },
    queue_config = options.queue_config,
    constructor = function(_domain, _tenant, _campaign)
      local connection = {}
      local client = kumo.http.build_client { timeout = options.timeout }
      -- read anew for each connection, so that a changed token needs no restart
      local token = load_token(options.token)

      function connection:send_batch(messages)
        return post(client, options, token, messages)
      end

      -- KumoMTA calls this one instead when `batch_size` is 1
      function connection:send(message)
        return post(client, options, token, { message })
      end

      function connection:close()
        client:close()
      end

      return connection
    end,
  }
end

return mod
