"""A name server of one toy world: enough of DNS for a mail relay to find its receivers.

Way: Postfix' resolver asks on port 53 of the private network; `scenario` says what exists.
Source: RFC 1035 sections 3 and 4 (messages), RFC 3596 (AAAA), RFC 7505 (null MX).
Not here: TCP, caching, zones of others: the answers are small and all ours.
"""

import asyncio
import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

TYPES = {1: "A", 12: "PTR", 15: "MX", 28: "AAAA"}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
TTL_SECONDS = 60


@dataclass
class Zone:
    """All names of the world. `mx` maps a domain to (preference, host) pairs; `.` as the host is a null MX."""

    mx: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    # Whether the name servers of a domain fail at this moment.
    fails: Callable[[str], bool] = lambda _name: False

    def answer(self, name: str, kind: str) -> tuple[int, list[bytes]]:
        """The response code and the record data."""
        if self.fails(name):
            return SERVFAIL, []
        if kind == "PTR":
            hosts = [host for host, addresses in self.addresses.items() if name in map(_reverse, addresses)]
            return (NOERROR if hosts else NXDOMAIN), [_name(host) for host in hosts[:1]]
        if name not in self.mx and name not in self.addresses:
            return NXDOMAIN, []
        if kind == "MX":
            return NOERROR, [struct.pack("!H", preference) + _name(host) for preference, host in self.mx.get(name, [])]
        version = {"A": 4, "AAAA": 6}.get(kind)
        addresses = map(ipaddress.ip_address, self.addresses.get(name, []))
        return NOERROR, [address.packed for address in addresses if address.version == version]


class Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone):
        self.zone = zone

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer) -> None:
        self.transport.sendto(reply(self.zone, data), peer)


def reply(zone: Zone, query: bytes) -> bytes:
    """Answers a query of one question."""
    identifier, flags = struct.unpack("!HH", query[:4])
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    question = query[12 : at + 5]
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    code, data = zone.answer(".".join(labels), TYPES.get(kind, ""))
    # Response, authoritative; "recursion desired" is echoed, "recursion available" set, or the resolver complains.
    header = struct.pack("!6H", identifier, 0x8480 | (flags & 0x0100) | code, 1, len(data), 0, 0)
    # 0xC00C points at the name in the question.
    records = [struct.pack("!3HIH", 0xC00C, kind, 1, TTL_SECONDS, len(item)) + item for item in data]
    return header + question + b"".join(records)


def _name(host: str) -> bytes:
    labels = [label.encode("ascii") for label in host.strip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _reverse(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


async def serve(zone: Zone, address: str = "127.0.0.1", port: int = 53) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Server(zone), (address, port))
