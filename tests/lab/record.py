"""Runs the demo world for a day of its clock and keeps the log that Postfix wrote.

Started by `record.sh`, which makes the private network, the private `/dev/log` and the fast clock around it.

Way: names and receivers come up, then rsyslogd, then the relay; the applications send; when the last message is no
longer on its way everything stops, and log and truth are copied out.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import time

import dns
import inject
import receivers
import scenario
from relay import Relay
from smtp_server import tls_context
from truth import Ledger

HERE = os.path.dirname(os.path.abspath(__file__))
# Between polls of the queue at the end, in seconds of the fast clock.
SETTLE_SECONDS = 5
# The end waits this long at most for messages on their way: the slowest receiver takes about a minute.
SETTLE_SECONDS_MAX = 600
# Seconds of the fast clock for rsyslogd to come up or to write out: about half a real second.
SYSLOG_SECONDS = 30

# Retry times are Postfix' defaults (300 s to 4,000 s). Only the queue lifetime is shorter than the default of five
# days, so that mail expires within the recorded day.
SETTINGS = {
    "myhostname": "{relay}",
    "inet_interfaces": "{address}",
    "inet_protocols": "all",
    "mynetworks": "10.0.5.0/24",
    "virtual_mailbox_domains": "{brands}",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "smtpd_recipient_restrictions": "check_recipient_access regexp:{{dir}}/conf/refused, permit_mynetworks, reject",
    "transport_maps": "regexp:{{dir}}/conf/discarded",
    "sender_dependent_default_transport_maps": "regexp:{{dir}}/conf/egress",
    "maximal_queue_lifetime": "6h",
    "bounce_queue_lifetime": "6h",
    "delay_warning_time": "4h",
    # Starting a process takes a second of the fast clock: they are kept while the day's traffic is low.
    "max_idle": "1h",
    # Ten seconds of the fast clock between two of Postfix' processes are a sixth of a real one: too few when busy.
    "trigger_timeout": "10m",
    # Short ids: a long one holds the time of arrival, which would contradict the stamps once these are shifted.
    "enable_long_queue_ids": "no",
    "smtp_tls_CAfile": "{{dir}}/trusted.crt",
    # The fast clock reaches every Postfix process through these.
    "import_environment": "MAIL_CONFIG MAIL_LOGTAG TZ LD_PRELOAD FAKETIME FAKETIME_SHARED NO_FAKE_STAT",
}

SERVICES = "{address}:25 inet n - n - - smtpd\n"
EGRESS = """\
{name} unix - - n - - smtp
  -o syslog_name=postfix/{name}
  -o smtp_bind_address={address}
  -o smtp_bind_address6={address6}
  -o smtp_helo_name={name}.mailer.example
"""

# Debian 12's own rule for mail; without a template, rsyslog writes RFC 3339 stamps with microseconds. The stamp is
# the time of receipt, not the kernel's, which does not know the fast clock.
RSYSLOG = """\
module(load="imuxsock" SysSock.UseSysTimeStamp="off" SysSock.RateLimit.Interval="0")
$WorkDirectory {dir}
mail.* -{dir}/mail.log
"""


def make_relay(world: scenario.World, directory: str, hours: float) -> Relay:
    table = world.table
    brands = sorted({stream.domain for stream in world.streams})
    facts = {"relay": table["relay"]["name"], "address": table["relay"]["address"], "brands": ", ".join(brands)}
    services = SERVICES.format(**facts) + "".join(EGRESS.format(**vars(one)) for one in world.egress.values())
    tables = {
        "refused": f"/{table['suppression']['refused']}/ 554 5.7.1 recipient is on the suppression list\n",
        "discarded": f"/{table['suppression']['discarded']}/ discard:suppressed\n",
        "egress": "".join(f"/^{one.name}\\+.*@{one.domain}$/ {one.egress}:\n" for one in world.streams),
    }
    settings = {name: value.format(**facts) for name, value in SETTINGS.items()}
    bound = int(hours * 3600) + 2 * SETTLE_SECONDS_MAX
    return Relay(directory, settings, services, tables, seconds_max=bound)


def start_syslog(directory: str) -> subprocess.Popen:
    with open(f"{directory}/rsyslog.conf", "w", encoding="ascii") as file:
        file.write(RSYSLOG.format(dir=directory))
    return subprocess.Popen(["rsyslogd", "-n", "-i", "NONE", "-f", f"{directory}/rsyslog.conf"])


async def settle(relay: Relay) -> None:
    """Waits until no message is on its way; those that wait for a retry may stay."""
    deadline = time.time() + SETTLE_SECONDS_MAX
    while relay.queued("maildrop", "incoming", "active"):
        if time.time() > deadline:
            raise RuntimeError(f"messages are still on their way after {SETTLE_SECONDS_MAX} s")
        await asyncio.sleep(SETTLE_SECONDS)


async def record(directory: str, hours: float) -> dict:
    """Records into `directory`/mail.log; returns the truth."""
    started = time.time()
    faults: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    world = scenario.load(f"{HERE}/scenario.toml")
    for address in world.addresses():
        # Duplicate address detection would keep IPv6 addresses unusable for a real second.
        flags = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "address", "add", address, "dev", "lo", *flags], check=True)
    ledger = Ledger(world)
    tls = {name: tls_context(directory, name, openssl) for name in ("trusted", "own")}
    await dns.serve(world.zone)
    await receivers.serve(world, started, tls, ledger.answered)
    syslog = start_syslog(directory)
    await asyncio.sleep(SYSLOG_SECONDS)
    relay = make_relay(world, directory, hours)
    relay.write()
    try:
        relay.start()
        await relay.wait_until_up(world.table["relay"]["address"], 25)
        knocking = asyncio.create_task(inject.knock(world, started, hours))
        await inject.run(world, inject.plan(world, hours), started, ledger.submitted)
        await settle(relay)
    finally:
        relay.stop()
        await asyncio.sleep(SYSLOG_SECONDS)
        syslog.terminate()
        syslog.wait()
    if faults:
        raise RuntimeError(f"a receiver or the name server failed: {faults[0]}")
    return ledger.totals(relay, await knocking)


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def log_facts(path: str) -> dict:
    """Length and span of the log: all that the truth takes from it."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    return {"lines": len(lines), "first_stamp": lines[0].split(" ")[0], "last_stamp": lines[-1].split(" ")[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="directory of the run, thrown away afterwards")
    parser.add_argument("--out", required=True, help="prefix of the files to write")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--clock-rate", type=int, required=True, help="how fast the clock runs, for the record")
    options = parser.parse_args()
    log = f"{options.work}/mail.log"
    try:
        totals = asyncio.run(record(options.work, options.hours))
    finally:
        # The log of a failed run says why.
        shutil.copyfile(log, f"{options.out}.log")
    facts = {"log": log_facts(log), "clock_rate": options.clock_rate, "hours": options.hours}
    with open(f"{options.out}.truth.json", "w", encoding="utf-8") as file:
        json.dump(facts | totals, file, indent=2, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
