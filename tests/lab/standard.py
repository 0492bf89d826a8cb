#!/usr/bin/env -S python3 -B
"""The standard run: a real Postfix, scripted receivers, and one message for each kind of outcome.

    standard.py --dir DIR [--smtp-port PORT] [--deadline SECONDS]

Prints one JSON object per line: `ready` (where the log is), `injected` (every message, its queue id, and what
becomes of each recipient), `done` (the queue is empty, what the receivers say they took). Then it waits until
its standard input ends or it gets SIGTERM or SIGINT, stops Postfix and exits 0. It exits 1 with a reason when
the run did not come out as `standard.toml` says, or Postfix did not start.

Needs root (master(8) asks for it) and the Debian packages postfix and openssl. No network and no name server:
everything is on loopback, on ports that are free at the time. DIR must be new or empty; it is made traversable
for Postfix' own user. `/etc/postfix/main.cf` is neither read nor written.
"""

import argparse
import asyncio
import collections
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
import tomllib
import uuid

from relay import Relay
from replies import Script, read_reply
from smtp_server import Answer, Receiver, tls_context

HERE = os.path.dirname(os.path.abspath(__file__))
# The run takes about 20 seconds; a machine under load may need more. After this it ends in any case.
DEADLINE_SECONDS = 120
POLL_SECONDS = 0.2

# Compressed time: what takes Postfix five days by default is over in a quarter of a minute.
SETTINGS = {
    "maillog_file": "{dir}/log/maillog",
    "maillog_file_prefixes": "{dir}/log",
    "myhostname": "relay1.lab.test",
    "inet_interfaces": "loopback-only",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "virtual_mailbox_domains": "sender.test",
    "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native",
    "smtpd_peername_lookup": "no",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_authorized_verp_clients": "127.0.0.0/8",
    "transport_maps": "texthash:{dir}/conf/transport",
    "enable_long_queue_ids": "yes",
    "minimal_backoff_time": "2s",
    "maximal_backoff_time": "4s",
    "queue_run_delay": "2s",
    "transport_retry_time": "2s",
    "maximal_queue_lifetime": "15s",
    "bounce_queue_lifetime": "15s",
    "delay_warning_time": "6s",
    "smtp_connect_timeout": "3s",
}

SERVICES = "127.0.0.1:{port} inet n - n - - smtpd\n"


def say(event: str, **facts) -> None:
    print(json.dumps({"event": event} | facts, ensure_ascii=False), flush=True)


async def listen(script: dict, directory: str, record) -> tuple[dict[str, str], list]:
    """Starts the receivers on free ports. Returns the transport of each domain, and the servers."""
    transport, servers = {}, []
    tls = tls_context(directory, "receiver", _openssl)
    for table in script["receiver"]:
        replies = [read_reply(reply) for reply in table.get("reply", [])]
        receiver = Receiver(
            name=table["domain"],
            host=f"mx1.{table['domain']}",
            script=Script(replies, time.time(), table["domain"]),
            record=record,
            accept=table.get("accept", Receiver.accept),
            tls=tls if table.get("tls") else None,
            lmtp=table.get("lmtp", False),
            extensions=Receiver.extensions + tuple(table.get("extensions", [])),
        )
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport[table["domain"]] = f"lmtp:inet:127.0.0.1:{port}" if receiver.lmtp else f"smtp:[127.0.0.1]:{port}"
        servers.append(server)
    return transport, servers


def inject(script: dict, port: int) -> list[dict]:
    """Hands every message to the relay over one connection."""
    sent = []
    with smtplib.SMTP("127.0.0.1", port, local_hostname="app1.sender.test") as client:
        client.ehlo()
        for table in script["message"]:
            message_id = f"{table['tag']}.{uuid.uuid4().hex[:12]}@sender.test"
            sender = table.get("sender", "bounce@sender.test")
            client.docmd(" ".join([f"MAIL FROM:<{sender}>", *table.get("mail_options", [])]))
            rcpt_options = table.get("rcpt_options", [])
            taken = [client.docmd(" ".join([f"RCPT TO:<{to}>", *rcpt_options]))[0] == 250 for to in table["to"]]
            queue_id = ""
            if any(taken):
                _, reply = client.data(_text(table, message_id))
                queue_id = re.search(rb"queued as (\S+)", reply)[1].decode()
            else:
                client.rset()
            recipients = [{"address": to, "outcome": outcome} for to, outcome in table["to"].items()]
            sent.append({"tag": table["tag"], "message_id": message_id, "queue_id": queue_id,
                         "sender": sender, "recipients": recipients})
    return sent


def _text(table: dict, message_id: str) -> bytes:
    lines = [
        "From: Shop <news@sender.test>",
        f"To: <{next(iter(table['to']))}>",
        f"Subject: {table['tag']}",
        f"Message-ID: <{message_id}>",
        "Date: Wed, 01 Jan 2025 00:00:00 +0000",
        "X-Campaign: summer-sale",
        "X-Tenant: acme",
        "List-Unsubscribe: <https://sender.test/u/abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Feedback-ID: summer-sale:acme:marketing:shop",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Hello",
    ]
    return "\r\n".join(lines).encode()


def check(sent: list[dict], answers: list[Answer], relay: Relay) -> None:
    """Holds the receivers' record, and the relay's own notices, against the script."""
    recipients = [one for message in sent for one in message["recipients"]]
    fate = collections.Counter(one["outcome"] for one in recipients)
    taken = sorted(answer.recipient for answer in answers if answer.verdict == "accepted")
    wanted = sorted(one["address"] for one in recipients if one["outcome"] == "delivered")
    if taken != wanted:
        raise RuntimeError(f"receivers took {taken}, the script says {wanted}")
    failed = sum(len(re.findall(r"^Action: failed", notice, re.M)) for notice in relay.notices())
    # Nobody is told of a failure to the null sender, or when the sender asked not to be.
    silent = sum(len(message["recipients"]) for message in sent if message["tag"] in ("null-sender", "dsn-never"))
    if failed != fate["bounced"] + fate["expired"] - silent:
        raise RuntimeError(f"the relay wrote {failed} failure notices, the script says {fate} with {silent} silent")


async def run(options: argparse.Namespace, ended: asyncio.Event) -> None:
    directory = os.path.abspath(options.dir)
    make_ready(directory)
    with open(f"{HERE}/standard.toml", "rb") as file:
        script = tomllib.load(file)
    answers: list[Answer] = []
    transport, servers = await listen(script, directory, answers.append)
    # Bound and not listened on: a connection is refused, and nobody else gets the port.
    refused = socket.socket()
    refused.bind(("127.0.0.1", 0))
    port = options.smtp_port or free_port()
    for domain, target in script["transport"].items():
        transport[domain] = target.format(refused_port=refused.getsockname()[1])
    table = "".join(f"{domain} {target}\n" for domain, target in transport.items())
    relay = Relay(directory, SETTINGS, SERVICES.format(port=port), {"transport": table})
    relay.write()
    try:
        relay.start()
        await relay.wait_until_up("127.0.0.1", port)
        await drive(relay, script, port, answers, ended, options.deadline)
    finally:
        relay.stop()
        for server in servers:
            server.close()
        refused.close()


async def drive(relay: Relay, script: dict, port: int, answers: list, ended: asyncio.Event, deadline: float) -> None:
    """Injects, waits for the queue to empty, and then for the caller to end the run."""
    started = time.monotonic()
    say("ready", maillog=f"{relay.directory}/log/maillog", relay="relay1", smtp_port=port, pid=os.getpid())
    sent = await asyncio.to_thread(inject, script, port)
    outcomes = collections.Counter(one["outcome"] for message in sent for one in message["recipients"])
    recipients = sum(outcomes.values())
    say("injected", messages=sent, totals={"messages": len(sent), "recipients": recipients, **outcomes})
    while relay.queued("maildrop", "incoming", "active", "deferred"):
        if ended.is_set():
            return
        if time.monotonic() - started > deadline:
            raise RuntimeError(f"the queue is not empty after {deadline} s")
        await asyncio.sleep(POLL_SECONDS)
    check(sent, answers, relay)
    verdicts = collections.Counter(answer.verdict for answer in answers)
    seconds = round(time.monotonic() - started, 1)
    say("done", seconds=seconds, answers=dict(sorted(verdicts.items())), notices=len(relay.notices()))
    await asyncio.wait_for(ended.wait(), max(1.0, deadline - (time.monotonic() - started)))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def make_ready(directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    if os.listdir(directory):
        raise RuntimeError(f"{directory} is not empty: choose a new or empty --dir")
    os.chmod(directory, 0o755)
    parent = directory
    while (parent := os.path.dirname(parent)) != "/":
        if not os.stat(parent).st_mode & 0o001:
            raise RuntimeError(f"{parent} is closed to Postfix' user: choose a --dir below a directory with mode o+x")


def end_on_signals_and_eof(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin)
            ended.set()

    try:
        loop.add_reader(sys.stdin, read)
    except PermissionError:
        # A file or /dev/null cannot be waited for: signals and the deadline remain.
        pass


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True, help="where configuration, queue, log and notices go")
    parser.add_argument("--smtp-port", type=int, help="where the relay takes mail; a free port by default")
    parser.add_argument("--deadline", type=float, default=DEADLINE_SECONDS, help="seconds after which the run ends")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise RuntimeError("Postfix' master(8) runs as root only: run as root")
    ended = asyncio.Event()
    end_on_signals_and_eof(ended)
    await run(options, ended)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (RuntimeError, OSError, asyncio.TimeoutError) as error:
        sys.exit(f"standard run: {error or 'nobody ended it before its deadline'}")
