"""Look up host names, and check the IP addresses from which images are fetched."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NotAllowed", "is_local_or_public", "is_public", "resolve"]

# Addresses of this NAT64 network end with an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class NotAllowed(Exception):
    """A host name resolves to an IP address that is not allowed."""


def resolve(host: str, port: int, is_allowed: Callable[[str], bool]) -> list[str]:
    """
    Return the IP addresses of a host, after a check of each one with ``is_allowed``.

    Connect to these addresses and not to the name, because a second lookup could have a different
    result. Raise ``NotAllowed`` if an address is not allowed, and ``OSError`` if there is none.
    """
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(result[4][0]) for result in results))
    if not all(map(is_allowed, addresses)):
        raise NotAllowed(host)
    return addresses


def is_public(address: str) -> bool:
    """Return whether an IP address is on the internet, not in a private or reserved network."""
    ip = _effective_address(address)
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or getattr(ip, "is_site_local", False)
    )


def is_local_or_public(address: str) -> bool:
    """Return whether an IP address is public or a loopback address of this machine."""
    ip = _effective_address(address)
    return ip.is_loopback or ip.is_unspecified or is_public(address)


def _effective_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address to which an IPv6 address is routed, or else the address itself."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
