"""Scripted answers of a receiving mail server: which reply, to whom, when.

Way: `scenario.toml` and `standard.toml` hold the replies, `smtp_server` asks a `Script` at every stage.
Not here: the SMTP conversation itself (`smtp_server`), counting (`truth`).
"""

import fnmatch
import hashlib
import random
import string
from dataclasses import dataclass

# The moments at which a receiver can say something other than yes.
#   silence  the connection is taken and never greeted
#   banner   instead of 220
#   mail, rcpt, dot  in reply to that command; `dot` is the end of the message
#   drop     the connection is cut after the message, without a word
STAGES = ("silence", "banner", "mail", "rcpt", "dot", "drop")


@dataclass(frozen=True)
class Reply:
    """One scripted answer and the conditions under which it is given. No condition means always."""

    key: str
    stage: str
    code: int = 0
    # Enhanced status code (RFC 3463); empty for the receivers that send none.
    status: str = ""
    text: str = ""
    # The text again and again: a reply longer than the 2,000 characters that Postfix logs.
    repeat: int = 1
    # Shell patterns of envelope addresses.
    recipients: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    # Client addresses that it is given to.
    clients: tuple[str, ...] = ()
    # Hours since the start of the recording, [from, to).
    hours: tuple[float, float] | None = None
    # The share of recipients (always the same ones) or of attempts (any) that it is given to.
    share: float = 1.0
    share_of: str = "recipients"
    # Not given any more this long after the recipient was first told so.
    heals_after_s: float | None = None

    def wire(self, **facts) -> str:
        """The reply as sent: every line with the code and, when there is one, the status (RFC 5321 section 4.2.1)."""
        lines = (self.text * self.repeat).format(**facts).split("\n")
        status = f"{self.status} " if self.status else ""
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(f"{self.code}{mark}{status}{line}\r\n" for mark, line in zip(marks, lines))

    @property
    def verdict(self) -> str:
        return "refused" if 500 <= self.code <= 599 else "deferred"


def read_reply(table: dict) -> Reply:
    """Makes a reply of a TOML table. Unknown keys are an error, so that a misspelt condition is not passed over."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    reply = Reply(**fields)
    if reply.stage not in STAGES:
        raise ValueError(f"reply `{reply.key}`: stage `{reply.stage}` is none of {', '.join(STAGES)}")
    return reply


class Script:
    """The replies of one receiver, first match wins, and what it remembers of its recipients."""

    def __init__(self, replies: list[Reply], started: float, seed: str):
        self.replies = replies
        self.started = started
        self.random = random.Random(seed)
        self.first_told: dict[tuple[str, str], float] = {}

    def answer(self, stage: str, now: float, client: str, sender: str = "", recipient: str = "") -> Reply | None:
        """The reply to give at this stage, or `None` for yes."""
        for reply in self.replies:
            if reply.stage == stage and self._holds(reply, now, client, sender, recipient.lower()):
                return reply
        return None

    def _holds(self, reply: Reply, now: float, client: str, sender: str, recipient: str) -> bool:
        if reply.recipients and not _matches(recipient, reply.recipients):
            return False
        if reply.senders and not _matches(sender, reply.senders):
            return False
        if reply.clients and client not in reply.clients:
            return False
        if reply.hours and not reply.hours[0] <= (now - self.started) / 3600 < reply.hours[1]:
            return False
        if reply.share < 1.0 and self._draw(reply, recipient) >= reply.share:
            return False
        if reply.heals_after_s is None:
            return True
        told = (reply.key, recipient)
        if told in self.first_told:
            return now - self.first_told[told] < reply.heals_after_s
        self.first_told[told] = now
        return True

    def _draw(self, reply: Reply, recipient: str) -> float:
        if reply.share_of == "attempts":
            return self.random.random()
        digest = hashlib.sha256(f"{reply.key} {recipient}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def token(self, length: int = 14) -> str:
        """An id such as receivers put into their replies."""
        return "".join(self.random.choices(string.ascii_lowercase + string.digits, k=length))


def _matches(address: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(address, pattern) for pattern in patterns)
