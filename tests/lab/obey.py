#!/usr/bin/env -S python3 -B
"""A real Postfix that obeys a suppression list, and receivers that take mail, refuse it, or put it off.

    obey.py --dir DIR --port PORT=RESTRICTIONS … [--set NAME=VALUE …] [--transport MAPS]

Each `--port` is an SMTP port of the relay with its own `smtpd_recipient_restrictions`. MAPS stand before the lab's own
transport map. Prints one JSON object per line: `ready`, then `answer` for everything that a receiver says about a
recipient. Ends when its standard input ends, as the standard run does; needs what that needs.

Receivers: `ok.test` takes all, `gone.test` says `550 5.1.1` to all, `busy.test` says `450 4.2.1` to all.
"""

import argparse
import asyncio
import dataclasses
import os
import sys
import time

from relay import Relay
from replies import Reply, Script
from smtp_server import Answer, Receiver
from standard import SETTINGS, end_on_signals_and_eof, make_ready, say

# Longer than any test needs; after it the lab ends in any case.
DEADLINE_SECONDS = 240

REPLIES = {
    "ok.test": [],
    "gone.test": [Reply(key="unknown", stage="rcpt", code=550, status="5.1.1", text="User unknown")],
    "busy.test": [Reply(key="busy", stage="rcpt", code=450, status="4.2.1", text="Try again later")],
}


async def receivers() -> tuple[str, list]:
    """Starts them on free ports. Returns the transport map that leads there, and the servers."""
    table, servers = "", []
    for domain, replies in REPLIES.items():
        script = Script(replies, time.time(), domain)
        receiver = Receiver(name=domain, host=f"mx1.{domain}", script=script, record=tell)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        table += f"{domain} smtp:[127.0.0.1]:{server.sockets[0].getsockname()[1]}\n"
        servers.append(server)
    return table, servers


def tell(answer: Answer) -> None:
    say("answer", **dataclasses.asdict(answer))


def settings(options: argparse.Namespace) -> dict[str, str]:
    own = SETTINGS | {"maximal_queue_lifetime": "200s", "bounce_queue_lifetime": "200s", "delay_warning_time": "0"}
    own["transport_maps"] = f"{options.transport} {own['transport_maps']}".strip()
    for given in options.set:
        name, value = given.split("=", 1)
        # Braces are Postfix' own here, and no field of the lab's.
        own[name] = value.replace("{", "{{").replace("}", "}}")
    return own


def services(options: argparse.Namespace) -> str:
    lines = ""
    for given in options.port:
        port, restrictions = given.split("=", 1)
        lines += f"127.0.0.1:{port} inet n - n - - smtpd\n"
        lines += f"  -o {{ smtpd_recipient_restrictions = {restrictions} }}\n"
    return lines


async def run(options: argparse.Namespace, ended: asyncio.Event) -> None:
    directory = os.path.abspath(options.dir)
    make_ready(directory)
    table, servers = await receivers()
    relay = Relay(directory, settings(options), services(options), {"transport": table})
    relay.write()
    try:
        relay.start()
        await relay.wait_until_up("127.0.0.1", int(options.port[0].split("=")[0]))
        say("ready", maillog=f"{relay.directory}/log/maillog")
        await asyncio.wait_for(ended.wait(), DEADLINE_SECONDS)
    finally:
        relay.stop()
        for server in servers:
            server.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True, help="where configuration, queue, log and notices go")
    parser.add_argument("--port", action="append", required=True, help="an SMTP port and whom it refuses")
    parser.add_argument("--set", action="append", default=[], help="a setting of main.cf")
    parser.add_argument("--transport", default="", help="transport maps that are asked first")
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
        sys.exit(f"obeying run: {error or 'nobody ended it before its deadline'}")
