"""What really happened in the recording, counted by those who saw it: applications, receivers, and the queue.

Way: `inject` and `receivers` report here, `record` writes `totals` beside the log. The log is never read for it,
so that a reader of the log can be held against it.
"""

import collections
import json
import re
import subprocess

from inject import Message
from relay import Relay
from scenario import World
from smtp_server import Answer

# Domains that have no mail host in DNS: the relay gives up at once.
HOPELESS = ("null-mx", "no-domain")
OUTCOMES = ("delivered", "bounced", "expired", "queued", "suppressed", "rejected")


class Ledger:
    def __init__(self, world: World):
        self.world = world
        self.messages: list[Message] = []
        self.answers: collections.Counter[str] = collections.Counter()
        self.verdicts: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
        # Which sending address a recipient's mail came from, as the receivers saw it.
        self.clients: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def submitted(self, message: Message) -> None:
        self.messages.append(message)

    def answered(self, answer: Answer) -> None:
        key = f"{answer.receiver}: accepted" if answer.verdict == "accepted" else answer.key
        self.answers[key] += 1
        if answer.recipient:
            self.verdicts[answer.sender, answer.recipient].add(answer.verdict)
            self.clients[answer.client][answer.verdict] += 1

    def outcome(self, message: Message, recipient: str, queued: set[tuple[str, str]]) -> str:
        """What became of one recipient. The envelope sender is different for every message."""
        if recipient in message.refused:
            return "rejected"
        if re.search(self.world.table["suppression"]["discarded"], recipient):
            return "suppressed"
        verdicts = self.verdicts[message.sender, recipient]
        if "accepted" in verdicts:
            return "delivered"
        if "refused" in verdicts or self.world.behind[recipient.rpartition("@")[2]] in HOPELESS:
            return "bounced"
        return "queued" if (message.sender, recipient) in queued else "expired"

    def totals(self, relay: Relay, stranger_refusals: int) -> dict:
        """All counts. Fails when the relay's own notices tell another story."""
        queued = _queued(relay)
        tables: dict[str, dict] = {name: {} for name in ("by_stream", "by_domain_owner", "by_egress")}
        outcomes: collections.Counter[str] = collections.Counter()
        for message in self.messages:
            for recipient in message.recipients:
                outcome = self.outcome(message, recipient, queued)
                outcomes[outcome] += 1
                owner = self.world.behind[recipient.rpartition("@")[2]]
                for table, name in zip(tables.values(), (message.stream.name, owner, message.stream.egress)):
                    table.setdefault(name, collections.Counter())[outcome] += 1
        notices = collections.Counter(
            action for notice in relay.notices() for action in re.findall(r"^Action: (\S+)", notice, re.M)
        )
        if notices["failed"] != outcomes["bounced"] + outcomes["expired"]:
            raise RuntimeError(f"the relay's notices say {notices}, the receivers {outcomes}")
        return {
            "messages_submitted": len(self.messages),
            "messages_taken": sum(1 for message in self.messages if message.queue_id),
            "recipients": sum(outcomes.values()),
            "outcomes": {outcome: outcomes[outcome] for outcome in OUTCOMES},
            **{name: {key: _ordered(value) for key, value in sorted(table.items())} for name, table in tables.items()},
            "answers": dict(sorted(self.answers.items())),
            "answers_by_client": {client: dict(sorted(seen.items())) for client, seen in sorted(self.clients.items())},
            "notices": dict(sorted(notices.items())),
            "notice_messages": len(relay.notices()),
            "stranger_recipients_rejected": stranger_refusals,
        }


def _ordered(counts: collections.Counter) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in OUTCOMES if outcome in counts}


def _queued(relay: Relay) -> set[tuple[str, str]]:
    """(sender, recipient) of what is left in the queue; the relay has stopped."""
    listing = subprocess.run(["postqueue", "-c", relay.conf, "-j"], capture_output=True, text=True, check=True).stdout
    entries = [json.loads(line) for line in listing.splitlines()]
    return {(entry["sender"], one["address"]) for entry in entries for one in entry["recipients"]}
