#!/usr/bin/env -S python3 -B
"""A real Postfix whose own bounces go to doors of the caller's, by LMTP or SMTP.

    feedback.py --dir DIR --transport DOMAIN=TARGET [--transport …] [--set NAME=VALUE …]

TARGET is one of transport(5), such as `lmtp:inet:127.0.0.1:2424` or `smtp:[127.0.0.1]:2525`. Prints one JSON object,
`ready` (where it takes mail); the receivers are those of `standard.toml`. It ends as `standard.py` does, and needs the
same.
"""

import argparse
import asyncio
import os
import sys
import tomllib

import standard
from relay import Relay


async def run(options: argparse.Namespace, ended: asyncio.Event) -> None:
    directory = os.path.abspath(options.dir)
    standard.make_ready(directory)
    with open(f"{standard.HERE}/standard.toml", "rb") as file:
        script = tomllib.load(file)
    transport, servers = await standard.listen(script, directory, lambda answer: None)
    transport |= dict(pair.split("=", 1) for pair in options.transport)
    port = standard.free_port()
    table = "".join(f"{domain} {target}\n" for domain, target in transport.items())
    settings = standard.SETTINGS | dict(given.split("=", 1) for given in options.set)
    relay = Relay(directory, settings, standard.SERVICES.format(port=port), {"transport": table})
    relay.write()
    try:
        relay.start()
        await relay.wait_until_up("127.0.0.1", port)
        standard.say("ready", maillog=f"{directory}/log/maillog", smtp_port=port, pid=os.getpid())
        await asyncio.wait_for(ended.wait(), standard.DEADLINE_SECONDS)
    finally:
        relay.stop()
        for server in servers:
            server.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True, help="where configuration, queue and log go")
    parser.add_argument("--transport", action="append", default=[], metavar="DOMAIN=TARGET", help="where bounces go")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of main.cf")
    ended = asyncio.Event()
    standard.end_on_signals_and_eof(ended)
    await run(parser.parse_args(), ended)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (RuntimeError, OSError, asyncio.TimeoutError) as error:
        sys.exit(f"feedback: {error or 'nobody ended it before its deadline'}")
