"""Which IP addresses the emulator may fetch an image from."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NotAllowed", "is_local_or_public", "is_public", "resolve"]

# An IPv6 network whose addresses contain an IPv4 address at their end, for NAT64.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class NotAllowed(Exception):
    """A host has an address that must not be connected to."""


def resolve(host: str, port: int, is_allowed: Callable[[str], bool]) -> list[str]:
    """
    The IP addresses of a host, for the caller to connect to instead of the name.

    A second lookup of the name could have another result. Raises ``NotAllowed`` if one of the
    addresses is not allowed, and ``OSError`` if there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(map(is_allowed, addresses)):
        raise NotAllowed(host)
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet, and not to a private network."""
    ip = _target(address)
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or getattr(ip, "is_site_local", False)
    )


def is_local_or_public(address: str) -> bool:
    """Whether an IP address is one of this machine's loopback addresses, or public."""
    ip = _target(address)
    return ip.is_loopback or ip.is_unspecified or is_public(address)


def _target(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that packets arrive at: the IPv4 address within an IPv6 address, if any."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
