"""The mailbox providers of the demo world, each host listening on its own address.

Way: `scenario` describes them, `smtp_server` holds the conversations, `record` starts this.
Not here: what they answered (`truth` counts it).
"""

import asyncio
import ssl
import time
from collections.abc import Callable

from replies import Script
from scenario import Provider, World
from smtp_server import Answer, Receiver

# Connections that may wait: a batch must not be refused because Python was slow for a moment.
BACKLOG = 512


async def serve(world: World, started: float, tls: dict[str, ssl.SSLContext], record: Callable[[Answer], None]) -> None:
    """Starts every receiver. `tls` has a context for each `tls` word of the scenario."""
    world.zone.fails = _name_server_faults(world, started)
    for provider in world.providers:
        # One script for all hosts of a provider: who was greylisted at one is known at the next.
        script = Script(provider.replies, started, f"{world.table['seed']} {provider.name}")
        for host in provider.hosts:
            receiver = _receiver(provider, host.name, script, tls, record)
            await asyncio.start_server(receiver.serve, host.addresses, 25, backlog=BACKLOG)


def _receiver(provider: Provider, host: str, script: Script, tls: dict, record: Callable[[Answer], None]) -> Receiver:
    table = provider.table
    receiver = Receiver(provider.name, host, script, record, tls=tls.get(table.get("tls", "")))
    receiver.banner = table.get("banner", receiver.banner)
    receiver.accept = table.get("accept", receiver.accept)
    receiver.pace_s = table.get("pace_s", receiver.pace_s)
    receiver.pace_sigma = table.get("pace_sigma", receiver.pace_sigma)
    return receiver


def _name_server_faults(world: World, started: float) -> Callable[[str], bool]:
    faults = [dead for dead in world.table["dead"] if dead["how"] == "dns-down"]
    down = {domain: dead["hours"] for dead in faults for domain in dead["domains"]}

    def fails(name: str) -> bool:
        hours = down.get(name)
        return hours is not None and hours[0] <= (time.time() - started) / 3600 < hours[1]

    return fails
