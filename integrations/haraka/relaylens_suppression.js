'use strict';
// Holds back mail that the suppression list of relaylens names: at RCPT TO, and before each delivery attempt, so that
// what was queued before stops too.
//
// Way: asks the policy server of relaylens (`suppression.policy_listen`) over one connection that is kept open.
// Fail-open: when it does not answer within `timeout_ms`, mail goes out. A sender notices mail that should not have gone
// out within a day, and mail that did not go out within a quarter.
// Source: Haraka's docs/Plugins.md and docs/Outbound.md; Postfix' SMTPD_POLICY_README for the protocol.
//
// Copy it to plugins/relaylens_suppression.js, write `relaylens_suppression` at the top of config/plugins, and set in
// config/relaylens_suppression.ini what differs from the defaults:
//
//   host=127.0.0.1
//   port=9998
//   timeout_ms=1000
//   ; which mail it is: tenant=acme;stream=news;type=marketing
//   context=
const net = require('node:net');

const DEFAULTS = { host: '127.0.0.1', port: 9998, timeout_ms: 1000, context: '' };

// Questions at a time that wait for an answer; more let mail through.
const WAITING_MAX = 1000;

exports.register = function () {
  this.load();
  this.register_hook('rcpt', 'refuse_recipient');
  this.register_hook('get_mx', 'stop_delivery');
};

exports.load = function () {
  const given = this.config.get('relaylens_suppression.ini', () => this.load()).main;
  this.desk?.close();
  this.desk = new Desk({ ...DEFAULTS, ...given }, (text) => this.logwarn(text));
};

exports.shutdown = function () {
  this.desk.close();
};

exports.refuse_recipient = function (next, connection, params) {
  const sender = connection.transaction?.mail_from?.address() ?? '';
  const user = connection.notes?.auth_user ?? '';
  this.desk.ask(params[0].address(), sender, user, (refusal) => {
    if (refusal) next(DENY, refusal);
    else next();
  });
};

// A queue file holds the recipients of one domain. It is ended only when all of them are suppressed: the others must get
// their mail.
exports.stop_delivery = function (next, hmail) {
  const recipients = hmail.todo.rcpt_to;
  const sender = hmail.todo.mail_from?.address?.() ?? '';
  let waiting = recipients.length;
  const refusals = [];
  for (const recipient of recipients) {
    this.desk.ask(recipient.address(), sender, '', (refusal) => {
      if (refusal) refusals.push(refusal);
      waiting -= 1;
      if (waiting > 0) return;
      if (refusals.length === recipients.length) next(DENY, refusals[0]);
      else next();
    });
  }
};

/** A connection to the policy server, with its questions in the order in which they were sent. */
class Desk {
  constructor(options, warn) {
    this.options = options;
    this.warn = warn;
    this.waiting = [];
    this.socket = null;
    this.text = '';
  }

  /** Calls `done` with the refusal, or with null: also when nobody answers in time. */
  ask(recipient, sender, user, done) {
    if (this.waiting.length >= WAITING_MAX) {
      done(null);
      return;
    }
    const question = { done, timer: setTimeout(() => this.give_up('no answer in time'), Number(this.options.timeout_ms)) };
    this.waiting.push(question);
    const line = (name, value) => `${name}=${String(value).replace(/[\r\n]/g, '')}\n`;
    this.connected().write(
      line('request', 'smtpd_access_policy') + line('protocol_state', 'RCPT') + line('recipient', recipient) +
        line('sender', sender) + line('sasl_username', user) + line('policy_context', this.options.context) + '\n',
    );
  }

  close() {
    this.socket?.destroy();
    this.socket = null;
  }

  connected() {
    if (this.socket) return this.socket;
    const socket = net.connect(Number(this.options.port), this.options.host);
    socket.setEncoding('utf8');
    socket.setNoDelay(true);
    socket.unref();
    socket.on('data', (text) => this.read(text));
    socket.on('error', (error) => this.socket === socket && this.give_up(error.message));
    socket.on('close', () => this.socket === socket && this.give_up('it closed the connection'));
    this.socket = socket;
    return socket;
  }

  read(text) {
    this.text += text;
    for (let end = this.text.indexOf('\n\n'); end >= 0; end = this.text.indexOf('\n\n')) {
      const answer = this.text.slice(0, end);
      this.text = this.text.slice(end + 2);
      const question = this.waiting.shift();
      if (!question) continue;
      clearTimeout(question.timer);
      const refusal = /^action=550 5\.7\.1 (.*)$/m.exec(answer);
      question.done(refusal ? refusal[1] : null);
    }
  }

  /** Answers no longer belong to their questions: the connection is given up, and all that wait go through. */
  give_up(why) {
    const waiting = this.waiting;
    this.waiting = [];
    this.text = '';
    this.close();
    if (waiting.length > 0) this.warn(`relaylens could not be asked, mail goes out: ${why}`);
    for (const question of waiting) {
      clearTimeout(question.timer);
      question.done(null);
    }
  }
}
