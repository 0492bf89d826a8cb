"""The applications of the demo world: they hand messages to the relay along the day's curves.

Way: `plan` draws the whole day from the scenario's seed, `run` waits for each moment and submits.
Not here: what becomes of a message after the relay took it.
"""

import asyncio
import email.utils
import random
import smtplib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scenario import Stream, World

# Submissions at one time. More would only wait for the relay.
SESSIONS_MAX = 12
# Numbers in recipients' names: small enough that some people get mail more than once in a day.
PEOPLE_PER_DOMAIN = 2000
FIRST_NAMES = (
    "anna ben carla david emma farid greta hugo ines jonas kira leo mara nils olga paul rosa samir tara uwe vera yuki"
).split()


@dataclass
class Message:
    stream: Stream
    sender: str
    recipients: list[str]
    message_id: str
    size_bytes: int
    # Recipients that the relay refused, and the queue id when it took the message.
    refused: list[str] = field(default_factory=list)
    queue_id: str = ""


@dataclass(frozen=True)
class Batch:
    """Messages that an application hands over in one connection."""

    at_s: float
    stream: Stream
    messages: list[Message]


def plan(world: World, hours: float) -> list[Batch]:
    """The day's submissions in order of time, up to `hours`."""
    dice = random.Random(world.table["seed"])
    batches = [batch for stream in world.streams for batch in _stream(world, stream, dice)]
    return sorted((batch for batch in batches if batch.at_s < hours * 3600), key=lambda batch: batch.at_s)


def _stream(world: World, stream: Stream, dice: random.Random) -> list[Batch]:
    batches = []
    for number in range(0, stream.messages, stream.session):
        (hour,) = dice.choices(range(24), stream.curve)
        if stream.session > 1:
            campaign = stream.campaigns[0 if hour < 14 else 1]
        else:
            campaign = dice.choice(stream.campaigns)
        count = min(stream.session, stream.messages - number)
        messages = [_message(world, stream, campaign, dice) for _ in range(count)]
        batches.append(Batch((hour + dice.random()) * 3600, stream, messages))
    return batches


def _message(world: World, stream: Stream, campaign: str, dice: random.Random) -> Message:
    token = f"{dice.getrandbits(48):012x}"
    recipients = [_recipient(world, dice)]
    if dice.random() < stream.copies:
        recipients.append(_recipient(world, dice))
    size = int(stream.size_bytes * dice.lognormvariate(0, 0.4))
    sender = f"{stream.name}+{token}@{stream.domain}"
    return Message(stream, sender, sorted(set(recipients)), f"{campaign}.{token}@{stream.domain}", size)


def _recipient(world: World, dice: random.Random) -> str:
    (domain,) = dice.choices(list(world.weights), list(world.weights.values()))
    number = dice.randrange(PEOPLE_PER_DOMAIN)
    return f"{FIRST_NAMES[number % len(FIRST_NAMES)]}-demo{number:04d}@{domain}"


async def run(world: World, batches: list[Batch], started: float, done: Callable[[Message], None]) -> None:
    """Submits every batch at its time; `done` is called for each message."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(SESSIONS_MAX))
    async with asyncio.TaskGroup() as day:
        for batch in batches:
            await asyncio.sleep(max(0.0, started + batch.at_s - time.time()))
            day.create_task(_hand_over(world, batch, done))


async def _hand_over(world: World, batch: Batch, done: Callable[[Message], None]) -> None:
    await asyncio.to_thread(_submit, world, batch)
    for message in batch.messages:
        done(message)


def _submit(world: World, batch: Batch) -> None:
    stream = batch.stream
    relay = world.table["relay"]["address"]
    with smtplib.SMTP(relay, 25, stream.app, source_address=(stream.app_address, 0)) as client:
        client.ehlo()
        for message in batch.messages:
            client.mail(message.sender)
            message.refused = [to for to in message.recipients if client.rcpt(to)[0] != 250]
            if len(message.refused) == len(message.recipients):
                client.rset()
                continue
            code, reply = client.data(_text(message))
            if code != 250:
                raise RuntimeError(f"the relay refused a message at the end of DATA: {code} {reply.decode()}")
            message.queue_id = reply.decode().rpartition(" ")[2]


def _text(message: Message) -> bytes:
    campaign = message.message_id.partition(".")[0]
    head = [
        f"From: {message.stream.name} <{message.stream.name}@{message.stream.domain}>",
        f"To: <{message.recipients[0]}>",
        f"Subject: {campaign}",
        f"Date: {email.utils.formatdate(time.time())}",
        f"Message-ID: <{message.message_id}>",
        f"X-Campaign: {campaign}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
    ]
    line = "All work and no play makes a dull newsletter, line after line after line."
    return "\r\n".join(head + [line] * (message.size_bytes // (len(line) + 2)) + [""]).encode()


async def knock(world: World, started: float, hours: float) -> int:
    """Strangers try to relay through us. Returns how many recipients the relay refused them."""
    refusals = 0
    strangers = world.table["strangers"]
    for hour in strangers["hours"]:
        if hour >= hours:
            break
        await asyncio.sleep(max(0.0, started + hour * 3600 - time.time()))
        refusals += await asyncio.to_thread(_knock_once, world.table["relay"]["address"], strangers["address"])
    return refusals


def _knock_once(relay: str, stranger: str) -> int:
    with smtplib.SMTP(relay, 25, "WIN-7F3K2.example", source_address=(stranger, 0)) as client:
        client.ehlo()
        client.mail("test@probe.example")
        code, _ = client.rcpt("someone@elsewhere.example")
        return int(code >= 500)
