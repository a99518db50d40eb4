"""Which hosts and web pages may use the emulator: protection from DNS rebinding and CSRF."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from .messages import Answer, Refused, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Origins", "cors_headers", "host_names", "is_ip_address"]

_NAME = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
_HOST = re.compile(rf"{_NAME}(?::[0-9]{{0,5}})?")
_HEADER_NAME = re.compile("[0-9A-Za-z_-]{1,100}")
_ORIGIN = re.compile(rf"https?://{_NAME}(?::[0-9]{{1,5}})?")


class Origins:
    """
    Check the ``Host`` and ``Origin`` of requests.

    A web page can let its own DNS name point to this machine, but then its requests contain
    that name. So a ``Host`` is a loopback name, an IP address, or one of ``allowed_hosts``;
    ``"*"`` accepts every ``Host``. The host of an ``Origin`` is a loopback name, a loopback
    address, or one of ``allowed_hosts``, on any port.

    Raises ``ValueError`` if one of ``allowed_hosts`` is not a host name or an IP address.
    """

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        self._allowed = host_names(allowed_hosts)

    def check(self, request: Request) -> None:
        """Raise ``Refused`` if the request is for another host, or from a page of another site."""
        if not self._accepts_host(request.host):
            raise Refused(
                421,
                f"the host {request.host!r} is not allowed; "
                "to allow it, start the emulator with --allowed-host NAME",
            )
        if request.origin is not None and not self._accepts_origin(request.origin):
            raise Refused(
                403,
                f"web pages of {request.origin!r} are not allowed; "
                "to allow them, start the emulator with --allowed-host NAME",
            )

    def _accepts_host(self, host: str) -> bool:
        if "*" in self._allowed:
            return True
        name = _name(_HOST, host)
        return _is_loopback_name(name) or is_ip_address(name) or name in self._allowed

    def _accepts_origin(self, origin: str) -> bool:
        name = _name(_ORIGIN, origin)
        return _is_loopback_name(name) or _is_loopback_address(name) or name in self._allowed


def cors_headers(request: Request, answer: Answer) -> dict[str, str]:
    """The headers that let a page of the request's origin, which was checked, read the answer."""
    # Without an Origin, too, so that a browser does not use a cached answer for a page.
    headers = {"Vary": "Origin"}
    if request.origin is not None:
        headers["Access-Control-Allow-Origin"] = request.origin
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = answer.headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = ", ".join(_allowed_headers(request))
    return headers


def _allowed_headers(request: Request) -> Iterator[str]:
    """The headers of an upload, and whatever else the page asks for."""
    yield from ("Content-Type", "X-Access-Token")
    for name in request.headers.get("Access-Control-Request-Headers", "").split(","):
        is_new = name.strip().lower() not in ("content-type", "x-access-token")
        if is_new and _HEADER_NAME.fullmatch(name.strip()):
            yield name.strip()


def host_names(values: Iterable[str]) -> set[str]:
    """
    Normalize allowed hosts: lower case, no trailing dot, IPv6 addresses in brackets.

    Raises ``ValueError`` for anything but host names, IP addresses, and ``"*"``.
    """
    if isinstance(values, str):
        raise ValueError(f"allowed_hosts is a list of host names, not {values!r}")  # noqa: TRY004
    return {_allowed_name(value) for value in values}


def is_ip_address(name: str) -> bool:
    """Whether this is an IPv4 address, or an IPv6 address in brackets."""
    return _address(name) is not None


def _allowed_name(value: str) -> str:
    if value == "*":
        return value
    with suppress(ValueError):
        if ipaddress.ip_address(value).version == 6:
            value = f"[{value}]"
    name = re.fullmatch(_NAME, value.lower())
    if not name:
        raise ValueError(
            f"{value!r} is not a host name or IP address; leave out the scheme and the port"
        )
    return name[1].removesuffix(".")


def _name(pattern: re.Pattern[str], value: str) -> str:
    match = pattern.fullmatch(value.lower())
    return match[1].removesuffix(".") if match else ""


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_loopback_address(name: str) -> bool:
    address = _address(name)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IPv4 address, or the IPv6 address in brackets."""
    with suppress(ValueError):
        if name.startswith("["):
            return ipaddress.IPv6Address(name[1:-1])
        return ipaddress.IPv4Address(name)
    return None
