// Calls the hooks of integrations/haraka/relaylens_suppression.js as Haraka does, against a running relaylens.
//
//   PORT=9998 node tests/haraka/suppression.mjs suppressed@b.example free@b.example
//
// Prints one line of JSON for each question: the code and message that the hook gave to Haraka.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runInNewContext } from "node:vm";

const DENY = 902;
const source = readFileSync(new URL("../../integrations/haraka/relaylens_suppression.js", import.meta.url), "utf8");
const warnings = [];
const plugin = {
  config: { get: () => ({ main: { port: process.env.PORT, timeout_ms: 2000 } }) },
  logwarn: (text) => warnings.push(text),
  register_hook: () => {},
};
// Haraka gives its plugins the codes as globals.
runInNewContext(source, { exports: plugin, require: createRequire(import.meta.url), DENY, setTimeout, clearTimeout });
plugin.register();

const address = (text) => ({ address: () => text });
const told = (ask) => new Promise((resolve) => ask((code, message) => resolve({ code: code ?? null, message: message ?? null })));
const tell = (what, answer) => console.log(JSON.stringify({ what, ...answer }));

const [suppressed, free] = process.argv.slice(2);
const connection = { transaction: { mail_from: address("sender@shop.example") } };
const both = await Promise.all(
  [suppressed, free].map((name) => told((next) => plugin.refuse_recipient(next, connection, [address(name)]))),
);
tell("rcpt suppressed", both[0]);
tell("rcpt free", both[1]);
const queued = (names) => ({ todo: { rcpt_to: names.map(address), mail_from: address("sender@shop.example") } });
tell("queue suppressed", await told((next) => plugin.stop_delivery(next, queued([suppressed]))));
tell("queue both", await told((next) => plugin.stop_delivery(next, queued([suppressed, free]))));
plugin.shutdown();
plugin.config.get = () => ({ main: { port: 9, timeout_ms: 500 } });
plugin.load();
tell("down", await told((next) => plugin.refuse_recipient(next, connection, [address(suppressed)])));
tell("warnings", { code: warnings.length });
