"""Where a webhook may be carried to: public addresses over https, and this machine only where it is allowed.

A name is resolved once and that very address is connected to, so that it cannot be answered otherwise in
between; certificates are checked against the name.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple

import httpx

from ledger.refusal import Refused

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOW_32: Final = (1 << 32) - 1
_ONLY_LOOPBACK: Final = (
    "only `wattledger tell --loopback` sends there, and `wattledger up` does not (docs/live.md)"
)
_PORTS: Final = {"https": 443, "http": 80}


class AddressRefused(Exception):
    """The webhook leads to where nothing may be sent."""


class Destination(NamedTuple):
    """`url` names the address to connect to, `host` and `name` what is asked for there."""

    url: httpx.URL
    host: str
    name: str


def is_public(address: IpAddress) -> bool:
    """Whether an address is somebody's on the internet, whatever it is wrapped in.

    >>> is_public(ipaddress.ip_address("10.0.0.1")), is_public(ipaddress.ip_address("::ffff:10.0.0.1"))
    (False, False)
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner: IpAddress | None = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            return False
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & _LOW_32)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_loopback(address: IpAddress) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def check_literal(url: str) -> None:
    """That the address, where it is one in figures, is not private: nothing would ever be sent there. This
    machine's own may be meant for `wattledger tell --loopback`.

    Raises:
        Refused: `webhook_url`.
    """
    host = httpx.URL(url).host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(address) and not _is_loopback(address):
        wrong = f"{host} is private: a public address, or this machine, which passes it on (docs/live.md)"
        raise Refused("webhook_url", wrong, place="url")


def loopback_notice(url: str) -> str:
    """What is to be known of an address on this machine when it is registered; empty for any other."""
    host = httpx.URL(url).host
    try:
        local = _is_loopback(ipaddress.ip_address(host))
    except ValueError:
        local = host == "localhost"
    return f"{host} is this machine: {_ONLY_LOOPBACK}" if local else ""


def resolved(url: str, *, loopback: bool) -> Destination:
    """Where to connect; asks the resolver, so not on an event loop.

    Raises:
        AddressRefused: any of its addresses is private, or this machine without `loopback`; http elsewhere.
        OSError: the name cannot be resolved now.
    """
    asked = httpx.URL(url)
    port = asked.port or _PORTS[asked.scheme]
    found = {
        ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        for entry in socket.getaddrinfo(asked.host, port, type=socket.SOCK_STREAM)
    }
    assert found, "a name that resolves has an address"
    local = all(_is_loopback(address) for address in found)
    if not (local and loopback) and not all(is_public(address) for address in found):
        told = ", ".join(sorted(map(str, found)))
        where = told if told == asked.host else f"{asked.host} ({told})"
        if local:
            raise AddressRefused(f"{where} is this machine: {_ONLY_LOOPBACK}")
        raise AddressRefused(f"{where} is private: private addresses are not sent to")
    if asked.scheme != "https" and not local:
        raise AddressRefused(f"{asked.host}: http only to this machine")
    chosen = min(found, key=lambda address: (address.version, int(address)))
    host = asked.netloc.decode("ascii")
    return Destination(asked.copy_with(host=str(chosen), port=port), host, asked.host)
