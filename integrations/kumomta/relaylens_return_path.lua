-- Gives each message a return path that relaylens has signed for its recipient, so that its bounce is known as genuine
-- whatever it says, and a reference in the header, which complaints echo.
--
-- Way: asks `POST /v1/return-path` once for each message, when KumoMTA has taken it in. KumoMTA makes a message of its
-- own for each recipient, so that each has a return path of his own; with `batch_handling = 'BatchByDomain'` recipients
-- share one, and it is signed for the message.
-- Fail-open: when relaylens does not answer, or answers with anything but 200, the message keeps its sender. Its bounce
-- is then matched by message id and recipient.
-- Source: docs.kumomta.com, reference/events/smtp_server_message_received, reference/events/http_message_generated,
-- reference/message/{sender,set_sender,recipient,id,prepend_header}; RFC 9477 for CFBL-Feedback-ID.
-- Not run in our tests, which have no KumoMTA: it is written against the documented interface.
--
-- In /opt/kumomta/etc/policy/init.lua:
--
--   package.path = '/opt/kumomta/etc/policy/?.lua;' .. package.path
--   local return_path = require 'relaylens_return_path'
--   return_path:options { token = '/opt/kumomta/etc/relaylens-write.token' }
--
--   kumo.on('smtp_server_message_received', function(message)
--     return_path:sign(message)
--     -- then your DKIM signature: it must cover the new header fields
--   end)
--   kumo.on('http_message_generated', function(message)
--     return_path:sign(message)
--   end)

local kumo = require 'kumo'

local mod = {}

-- What a deployment may set, with its default.
local DEFAULTS = {
  url = 'http://127.0.0.1:8080/v1/return-path',

  -- A token of relaylens with the scope `write`, as a KumoMTA keysource: the path of a file that holds it alone.
  -- Without one, no Authorization header is sent.
  token = nil,

  -- A bounce domain of this sender, in place of `return_path.domain`.
  domain = nil,

  -- How long an answer is waited for before the message keeps its sender.
  timeout = '2 seconds',

  -- Where complaints are to go (RFC 9477): `fbl@bounce.example.com; report=arf` writes CFBL-Address and
  -- CFBL-Feedback-ID. Without one, X-Relaylens-Ref alone is written.
  cfbl_address = nil,
}

local OPTIONAL = { token = true, domain = true, cfbl_address = true }

local options = DEFAULTS

-- The recipient, when there is one alone.
local function recipient_of(message)
  local recipient = message:recipient()
  if type(recipient) == 'table' then
    return nil
  end
  return tostring(recipient)
end

local function ask(message)
  local client = kumo.http.build_client { timeout = options.timeout }
  local request = client
    :post(options.url)
    :header('Content-Type', 'application/json')
    :body(kumo.serde.json_encode {
      -- 32 digits: by it the message is found in KumoMTA's own log, too
      id = tostring(message:id()),
      recipient = recipient_of(message),
      domain = options.domain,
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
  return kumo.serde.json_parse(response:text())
end

-- Gives the message its return path and reference. A message without a sender is a notice, and keeps none.
function mod:sign(message)
  local sender = tostring(message:sender())
  if sender == '' or sender == '<>' then
    return
  end
  local is_signed, signed = pcall(ask, message)
  if not is_signed then
    kumo.log_warn('relaylens: no return path was signed, the message keeps its sender: ' .. tostring(signed))
    return
  end
  if signed.return_path then
    message:set_sender(signed.return_path)
  end
  message:prepend_header('X-Relaylens-Ref', signed.reference)
  if options.cfbl_address then
    message:prepend_header('CFBL-Feedback-ID', signed.reference)
    message:prepend_header('CFBL-Address', options.cfbl_address)
  end
end

-- Sets the options. Call it once, outside of any event handler.
function mod:options(given)
  for name in pairs(given or {}) do
    if DEFAULTS[name] == nil and not OPTIONAL[name] then
      error(string.format("relaylens_return_path: there is no option '%s'", name), 2)
    end
  end
  options = setmetatable(given or {}, { __index = DEFAULTS })
end

return mod
