"""The world of the demo recording, as `scenario.toml` tells it: who sends, who receives, what names exist.

Way: `record` loads it once; `dns`, `receivers` and `inject` each use their part.
Not here: what happens when (`receivers`, `inject`), what came of it (`truth`).
"""

import tomllib
from dataclasses import dataclass, field

from dns import Zone
from replies import Reply, read_reply

# Receivers live in TEST-NET-3 (RFC 5737). Three parts of it are dead, each in its own way.
RECEIVER_NET = "203.0.113."
REFUSED_ADDRESS = "203.0.113.210"
NO_ROUTE_ADDRESS, NO_ROUTE_NET = "203.0.113.225", "203.0.113.224/28"
NO_ANSWER_ADDRESS, NO_ANSWER_NET = "203.0.113.241", "203.0.113.240/28"
DEAD_ADDRESSES = {"refused": REFUSED_ADDRESS, "no-route": NO_ROUTE_ADDRESS, "no-answer": NO_ANSWER_ADDRESS}
# Receivers' own addresses stay below the first dead one.
RECEIVER_HOSTS_MAX = 200


@dataclass(frozen=True)
class Egress:
    """One sending address of the relay."""

    name: str
    address: str
    address6: str


@dataclass(frozen=True)
class Stream:
    """One kind of mail of one brand."""

    name: str
    domain: str
    egress: str
    app: str
    app_address: str
    messages: int
    session: int
    copies: float
    size_bytes: int
    campaigns: list[str]
    curve: list[float]


@dataclass
class Host:
    """One MX host: a name and where it listens."""

    name: str
    addresses: list[str]


@dataclass
class Provider:
    """One mailbox provider: its domains, its hosts, and what it answers."""

    name: str
    table: dict
    hosts: list[Host] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


@dataclass
class World:
    table: dict
    egress: dict[str, Egress]
    streams: list[Stream]
    providers: list[Provider] = field(default_factory=list)
    zone: Zone = field(default_factory=Zone)
    # How likely a recipient is at a domain.
    weights: dict[str, float] = field(default_factory=dict)
    # Who is behind a domain: a provider's name, or how the domain is dead.
    behind: dict[str, str] = field(default_factory=dict)

    def addresses(self) -> list[str]:
        """Every address that the private network has to have."""
        own = [address for egress in self.egress.values() for address in (egress.address, egress.address6)]
        own += [self.table["relay"]["address"], self.table["strangers"]["address"], REFUSED_ADDRESS]
        own += [stream.app_address for stream in self.streams]
        return own + [address for provider in self.providers for host in provider.hosts for address in host.addresses]


def load(path: str) -> World:
    with open(path, "rb") as file:
        table = tomllib.load(file)
    egress = {one["name"]: Egress(**one) for one in table["egress"]}
    world = World(table, egress, [Stream(**one) for one in table["stream"]])
    for receiver in table["receiver"]:
        _add_provider(world, receiver)
    for dead in table["dead"]:
        _add_dead(world, dead)
    addresses = world.zone.addresses
    addresses[table["relay"]["name"]] = [table["relay"]["address"]]
    addresses |= {stream.app: [stream.app_address] for stream in world.streams}
    addresses |= {_helo(one): [one.address, one.address6] for one in egress.values()}
    return world


def _add_provider(world: World, table: dict) -> None:
    provider = Provider(table["name"], table)
    owner = table.get("replies_of", provider.name)
    provider.replies = [_reply(world, one) for one in world.table["reply"] if one["receiver"] == owner]
    world.providers.append(provider)
    for domain, weight in (table["domains"] | table.get("tenants", {})).items():
        world.weights[domain] = weight
        world.behind[domain] = provider.name
    for preference, entry in enumerate(table.get("hosts", []), start=1):
        # Hosts of all domains are tried in order; hosts of some domains, where several serve one, are equals.
        of_all = isinstance(entry, str)
        host = _add_host(world, provider, entry if of_all else entry["host"])
        for domain in table["domains"] if of_all else entry["domains"]:
            world.zone.mx.setdefault(domain, []).append((preference * 5 if of_all else 1, host.name))
    for domain in table.get("tenants", {}):
        host = _add_host(world, provider, table["tenant_host"].format(domain=domain, dashed=domain.replace(".", "-")))
        if not table.get("implicit"):
            world.zone.mx[domain] = [(10, host.name)]


def _add_host(world: World, provider: Provider, name: str) -> Host:
    number = sum(len(one.hosts) for one in world.providers) + 1
    if number > RECEIVER_HOSTS_MAX:
        raise ValueError(f"scenario: more than {RECEIVER_HOSTS_MAX} receiving hosts do not fit {RECEIVER_NET}0/24")
    addresses = [f"{RECEIVER_NET}{number}"]
    if provider.table.get("ipv6"):
        addresses.append(f"2001:db8:113::{number:x}")
    host = Host(name, addresses)
    provider.hosts.append(host)
    world.zone.addresses[name] = addresses
    return host


def _add_dead(world: World, table: dict) -> None:
    for domain, weight in table["domains"].items():
        if table["how"] == "dns-down":
            continue
        world.weights[domain] = weight
        world.behind[domain] = table["how"]
        if table["how"] == "null-mx":
            world.zone.mx[domain] = [(0, ".")]
        elif address := DEAD_ADDRESSES.get(table["how"]):
            world.zone.mx[domain] = [(10, f"mx.{domain}")]
            world.zone.addresses[f"mx.{domain}"] = [address]


def _reply(world: World, table: dict) -> Reply:
    """A reply whose `clients` are named by sending address, as the scenario does."""
    table = {name: value for name, value in table.items() if name != "receiver"}
    if names := table.get("clients"):
        senders = [world.egress[name] for name in names]
        table["clients"] = [address for one in senders for address in (one.address, one.address6)]
    return read_reply(table)


def _helo(egress: Egress) -> str:
    return f"{egress.name}.mailer.example"
