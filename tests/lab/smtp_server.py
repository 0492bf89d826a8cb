"""A receiving SMTP or LMTP server that takes mail, answers by script, and keeps a record of what it answered.

Way: the relay under test delivers here; each answer to a recipient goes to `record`.
Source: RFC 5321 (SMTP), RFC 2033 (LMTP), RFC 3207 (STARTTLS), RFC 2920 (pipelining).
Not here: which answer is given (`replies`), where servers listen (`receivers`, `standard`).
"""

import asyncio
import math
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from replies import Reply, Script

# A relay that is stopped in the middle of a conversation must not keep a session alive for ever.
SESSION_SECONDS_MAX = 3600
# Header lines searched for the message id.
HEADER_LINES_MAX = 60
# Longest thinking time, as a multiple of the median: the tail of the spread, not an outage.
PACE_FACTOR_MAX = 8


@dataclass(frozen=True)
class Answer:
    """What one recipient of one transaction was told. Without a recipient, the connection was refused."""

    receiver: str
    client: str
    sender: str
    recipient: str
    # `accepted`, `refused` (5xx), `deferred` (4xx or a dropped connection)
    verdict: str
    key: str


@dataclass
class Receiver:
    """One mailbox provider as the relay meets it."""

    name: str
    host: str
    script: Script
    record: Callable[[Answer], None]
    banner: str = "220 {host} ESMTP"
    accept: str = "250 2.0.0 Ok: queued as {tag}"
    tls: ssl.SSLContext | None = None
    lmtp: bool = False
    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8")
    # Median seconds until the last word on a message, and the spread (sigma of a log-normal).
    pace_s: float = 0.0
    pace_sigma: float = 0.5

    async def think(self, share: float) -> None:
        """Waits for a share of the usual time."""
        if self.pace_s > 0:
            factor = min(random.lognormvariate(0, self.pace_sigma), PACE_FACTOR_MAX)
            await asyncio.sleep(self.pace_s * share * factor)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Holds one conversation. A peer that goes away ends it."""
        try:
            await asyncio.wait_for(Session(self, reader, writer).run(), SESSION_SECONDS_MAX)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            # The run ends while a relay keeps its connection open.
            pass
        finally:
            writer.close()


@dataclass
class Session:
    server: Receiver
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str = ""
    # The reply to MAIL when it was no, which then stands for every recipient.
    mail_refusal: Reply | None = None
    recipients: list[str] = field(default_factory=list)
    in_tls: bool = False
    greeted_with_refusal: bool = False
    open: bool = True

    def __post_init__(self) -> None:
        self.client = self.writer.get_extra_info("peername")[0]

    async def run(self) -> None:
        if self._scripted("silence"):
            await self.reader.read()
            return
        await self._greet()
        while self.open and (line := await self.reader.readline()):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            await self._command(text.split(" ")[0].upper(), text)

    async def _greet(self) -> None:
        await self.server.think(0.2)
        refusal = self._scripted("banner")
        if not refusal:
            await self._say(self.server.banner.format(**self._facts()) + "\r\n")
            return
        self._record("", refusal.verdict, refusal.key)
        self.greeted_with_refusal = True
        await self._refuse(refusal)

    async def _command(self, verb: str, text: str) -> None:
        if verb == "QUIT":
            await self._say("221 2.0.0 Bye\r\n")
            self.open = False
        elif self.greeted_with_refusal:
            await self._say("503 5.5.1 Bad sequence of commands\r\n")
        elif verb in ("EHLO", "LHLO", "HELO"):
            await self._ehlo(verb)
        elif verb == "STARTTLS" and self.server.tls:
            await self._say("220 2.0.0 Ready to start TLS\r\n")
            await self.writer.start_tls(self.server.tls)
            self.in_tls = True
        elif verb == "MAIL":
            await self._mail(_path(text))
        elif verb == "RCPT":
            await self._rcpt(_path(text))
        elif verb == "DATA":
            await self._data()
        elif verb in ("RSET", "NOOP"):
            self.recipients = []
            await self._say("250 2.0.0 Ok\r\n")
        else:
            await self._say("500 5.5.2 Command not recognized\r\n")

    async def _ehlo(self, verb: str) -> None:
        lines = [self.server.host]
        if verb != "HELO":
            lines += self.server.extensions
        if verb == "EHLO" and self.server.tls and not self.in_tls:
            lines.append("STARTTLS")
        await self._say(Reply(key="", stage="mail", code=250, text="\n".join(lines)).wire())

    async def _mail(self, sender: str) -> None:
        self.sender, self.recipients = sender, []
        self.mail_refusal = self._scripted("mail", sender)
        if self.mail_refusal:
            # A pipelining client has its RCPT lines under way. They are read and counted, so not even a 421 hangs up.
            await self._say(self.mail_refusal.wire(**self._facts()))
        else:
            await self._say("250 2.1.0 Ok\r\n")

    async def _rcpt(self, recipient: str) -> None:
        await self.server.think(0.1)
        if self.mail_refusal:
            self._record(recipient, self.mail_refusal.verdict, self.mail_refusal.key)
            await self._say("503 5.5.1 Need MAIL before RCPT\r\n")
            return
        refusal = self._scripted("rcpt", self.sender, recipient)
        if refusal:
            self._record(recipient, refusal.verdict, refusal.key)
            await self._refuse(refusal, recipient)
        else:
            self.recipients.append(recipient)
            await self._say("250 2.1.5 Ok\r\n")

    async def _data(self) -> None:
        if not self.recipients:
            await self._say("554 5.5.1 Error: no valid recipients\r\n")
            return
        await self._say("354 End data with <CR><LF>.<CR><LF>\r\n")
        message_id, size_bytes = await self._read_message()
        await self.server.think(0.7)
        recipients, self.recipients = self.recipients, []
        for told in [[one] for one in recipients] if self.server.lmtp else [recipients]:
            await self._last_word(told, message_id, size_bytes)

    async def _last_word(self, recipients: list[str], message_id: str, size_bytes: int) -> None:
        """Answers the end of the message; SMTP has one answer for all recipients, LMTP one for each."""
        for recipient in recipients:
            if dropped := self._scripted("drop", self.sender, recipient):
                self._record_all(recipients, "deferred", dropped.key)
                self.writer.transport.abort()
                self.open = False
                return
            if refusal := self._scripted("dot", self.sender, recipient):
                self._record_all(recipients, refusal.verdict, refusal.key)
                await self._refuse(refusal, recipient)
                return
        self._record_all(recipients, "accepted", "accepted")
        facts = self._facts(recipients[0]) | {"message_id": message_id, "size": size_bytes}
        await self._say(self.server.accept.format(**facts) + "\r\n")

    async def _read_message(self) -> tuple[str, int]:
        """Reads to the lone dot; returns the message id and the size."""
        message_id, size_bytes, line_count = "", 0, 0
        while (line := await self.reader.readline()) not in (b".\r\n", b""):
            size_bytes += len(line)
            line_count += 1
            if line_count < HEADER_LINES_MAX and line.lower().startswith(b"message-id:"):
                message_id = line[11:].decode("ascii", "replace").strip(" \r\n<>")
        return message_id, size_bytes

    async def _refuse(self, reply: Reply, recipient: str = "") -> None:
        await self._say(reply.wire(**self._facts(recipient)))
        if reply.code == 421:
            self.open = False

    async def _say(self, text: str) -> None:
        self.writer.write(text.encode())
        await self.writer.drain()

    def _scripted(self, stage: str, sender: str = "", recipient: str = "") -> Reply | None:
        return self.server.script.answer(stage, time.time(), self.client, sender, recipient)

    def _record(self, recipient: str, verdict: str, key: str) -> None:
        self.server.record(Answer(self.server.name, self.client, self.sender, recipient, verdict, key))

    def _record_all(self, recipients: list[str], verdict: str, key: str) -> None:
        for recipient in recipients:
            self._record(recipient, verdict, key)

    def _facts(self, recipient: str = "") -> dict:
        """What a scripted text may mention."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{math.floor(now % 1 * 1000):03d}Z"
        return {
            "client": self.client,
            "recipient": recipient,
            "domain": recipient.rpartition("@")[2],
            "sender_domain": self.sender.rpartition("@")[2],
            "host": self.server.host,
            "tag": self.server.script.token(),
            "unix": int(now),
            "now": stamp,
        }


def _path(command: str) -> str:
    """The address in `MAIL FROM:<…>` or `RCPT TO:<…>`. A quoted local part may hold `>`."""
    start = command.index("<") + 1
    end = command.index('"@', start) if command.startswith('"', start) else start
    return command[start : command.index(">", end)]


def tls_context(directory: str, name: str, openssl: Callable[..., None]) -> ssl.SSLContext:
    """A context with a fresh self-signed certificate, made by `openssl` with the given arguments."""
    key, certificate = f"{directory}/{name}.key", f"{directory}/{name}.crt"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
        "-subj", f"/CN={name}.example", "-keyout", key, "-out", certificate,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
