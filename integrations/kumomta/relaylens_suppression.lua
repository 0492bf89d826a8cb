-- Holds back mail that the suppression list of relaylens names: at reception, and again whenever a message is queued
-- for another try, so that what was accepted before stops too.
--
-- Way: each recipient is asked for once in a few seconds (`kumo.memoize`) at `POST /api/v1/suppressions/check`.
-- Fail-open: when relaylens does not answer, or answers with anything but 200, mail goes out. A sender notices mail that
-- should not have gone out within a day, and mail that did not go out within a quarter.
-- Source: docs.kumomta.com, reference/kumo/memoize, reference/events/smtp_server_rcpt_to, reference/events/requeue_message
-- (version 2024.11.08 or later).
-- Not run in our tests, which have no KumoMTA: it is written against the documented interface.
--
-- In /opt/kumomta/etc/policy/init.lua, at the top level:
--
--   package.path = '/opt/kumomta/etc/policy/?.lua;' .. package.path
--   local suppression = require 'relaylens_suppression'
--   suppression:setup { url = 'http://127.0.0.1:8080/api/v1/suppressions/check' }
--
-- With handlers of your own for these events, leave `setup` out of them and ask instead:
--
--   kumo.on('smtp_server_rcpt_to', function(recipient)
--     suppression:refuse(recipient)
--   end)

local kumo = require 'kumo'

local mod = {}

-- What a deployment may set, with its default.
local DEFAULTS = {
  url = 'http://127.0.0.1:8080/api/v1/suppressions/check',

  -- A token of relaylens with the scope `read`, as a KumoMTA keysource: the path of a file that holds it alone. Without
  -- one, no Authorization header is sent.
  token = nil,

  -- How long an answer counts. A new entry stops mail after this time at the latest.
  ttl = '5 seconds',

  -- Answers kept: about 100 bytes each.
  capacity = 100000,

  -- How long an answer is waited for before mail goes out.
  timeout = '2 seconds',

  -- The type of mail: all, marketing or transactional. `all` meets every entry.
  type = 'all',

  -- The fields of a message's metadata that name tenant, stream and list, at its next tries.
  tenant_meta = 'tenant',
  stream_meta = 'stream',
  list_meta = 'list',
}

local options = DEFAULTS
local check = nil

-- The reason for which relaylens holds the recipient back, or nil. Raises when it does not answer.
local function ask(address, tenant, stream, list)
  local client = kumo.http.build_client { timeout = options.timeout }
  local request = client
    :post(options.url)
    :header('Content-Type', 'application/json')
    :body(kumo.serde.json_encode {
      addresses = { address },
      about = { tenant = tenant, stream = stream, list = list, type = options.type },
    })
  if options.token then
    -- a file written by an editor ends with a line end, which no header may hold
    local token = string.gsub(kumo.secrets.load(options.token), '%s+$', '')
    request:bearer_auth(token)
  end
  local response = request:send()
  if not response:status_is_success() then
    error(string.format('relaylens answered %d', response:status_code()))
  end
  local row = kumo.serde.json_parse(response:text()).rows[1]
  return row.suppressed and (row.reason or 'suppressed') or nil
end

-- The reason for which a recipient is held back, or nil; nil, too, when nobody knows.
function mod:reason(address, tenant, stream, list)
  if not check then
    -- what raises is not kept, so that relaylens is asked again as soon as it is back
    check = kumo.memoize(function(...)
      return ask(...) or ''
    end, { name = 'relaylens_suppression', ttl = options.ttl, capacity = options.capacity })
  end
  local is_known, reason = pcall(check, tostring(address), tenant or '', stream or '', list or '')
  if not is_known then
    kumo.log_warn('relaylens: the suppression list could not be asked, mail goes out: ' .. tostring(reason))
    return nil
  end
  return reason ~= '' and reason or nil
end

-- Refuses a recipient at RCPT TO, alone among the recipients of the message.
function mod:refuse(address, tenant, stream, list)
  local reason = self:reason(address, tenant, stream, list)
  if reason then
    kumo.reject(550, '5.7.1 Recipient suppressed: ' .. reason)
  end
end

-- Ends a message that is to be tried again, when its recipient is on the list by now. It is logged as a bounce with the
-- words by which relaylens knows it for its own doing.
function mod:stop_retry(message)
  local meta = function(name)
    return name and message:get_meta(name) or nil
  end
  local tenant, stream = meta(options.tenant_meta), meta(options.stream_meta)
  self:refuse(message:recipient(), tenant, stream, meta(options.list_meta))
end

-- Sets the options and registers both events. Call it once, outside of any event handler.
function mod:setup(given)
  for name in pairs(given or {}) do
    if DEFAULTS[name] == nil and name ~= 'token' then
      error(string.format("relaylens_suppression: there is no option '%s'", name), 2)
    end
  end
  options = setmetatable(given or {}, { __index = DEFAULTS })
  kumo.on('smtp_server_rcpt_to', function(recipient)
    mod:refuse(recipient)
  end)
  kumo.on('requeue_message', function(message)
    mod:stop_retry(message)
  end)
end

return mod
