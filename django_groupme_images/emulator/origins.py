"""Host and origin checks, which protect the emulator from DNS rebinding and CSRF."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from .http import HTTPError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Origins", "cors_headers", "is_ip_address", "normalize_hosts"]

_NAME = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
_HOST = re.compile(rf"{_NAME}(?::[0-9]{{0,5}})?")
_HEADER_NAME = re.compile("[0-9A-Za-z_-]{1,100}")
_ORIGIN = re.compile(rf"https?://{_NAME}(?::[0-9]{{1,5}})?")


class Origins:
    """
    Check of the ``Host`` and ``Origin`` of requests.

    A website can make its own DNS name resolve to this machine, but its requests then contain that
    name. Therefore, a ``Host`` must be a loopback name, an IP address, or one of ``allowed_hosts``;
    ``"*"`` accepts every ``Host``. The host of an ``Origin`` must be a loopback name, a loopback
    address, or one of ``allowed_hosts``, on any port.

    The constructor raises ``ValueError`` if one of ``allowed_hosts`` is not a host name or an IP
    address.
    """

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        self._allowed = normalize_hosts(allowed_hosts)

    def check(self, request: Request) -> None:
        """Raise ``HTTPError`` if the ``Host`` or the ``Origin`` of a request is not allowed."""
        if not self._accepts_host(request.host):
            raise HTTPError(
                421,
                f"the host {request.host!r} is not allowed; "
                "to allow it, start the emulator with --allowed-host NAME",
            )
        if request.origin is not None and not self._accepts_origin(request.origin):
            raise HTTPError(
                403,
                f"web pages of {request.origin!r} are not allowed; "
                "to allow them, start the emulator with --allowed-host NAME",
            )

    def _accepts_host(self, host: str) -> bool:
        if "*" in self._allowed:
            return True
        name = _match_host(_HOST, host)
        return _is_loopback_name(name) or is_ip_address(name) or name in self._allowed

    def _accepts_origin(self, origin: str) -> bool:
        name = _match_host(_ORIGIN, origin)
        return _is_loopback_name(name) or _is_loopback_address(name) or name in self._allowed


def cors_headers(request: Request, response: Response) -> dict[str, str]:
    """
    Return the headers that let web pages of the request's origin read the response.

    The origin must already be checked.
    """
    # Vary is always sent, so that a browser does not reuse a cached response without CORS headers.
    headers = {"Vary": "Origin"}
    if request.origin is not None:
        headers["Access-Control-Allow-Origin"] = request.origin
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = ", ".join(_request_headers_to_allow(request))
    return headers


def _request_headers_to_allow(request: Request) -> Iterator[str]:
    """Yield the headers of an upload, and the others that the page requests."""
    yield from ("Content-Type", "X-Access-Token")
    for name in request.headers.get("Access-Control-Request-Headers", "").split(","):
        is_new = name.strip().lower() not in ("content-type", "x-access-token")
        if is_new and _HEADER_NAME.fullmatch(name.strip()):
            yield name.strip()


def normalize_hosts(values: Iterable[str]) -> set[str]:
    """
    Return hosts in lower case, without a trailing dot, and with IPv6 addresses in brackets.

    Raise ``ValueError`` for a value that is not a host name, an IP address, or ``"*"``.
    """
    if isinstance(values, str):
        raise ValueError(f"allowed_hosts must be a list of host names, not {values!r}")  # noqa: TRY004
    return {_normalize_host(value) for value in values}


def is_ip_address(name: str) -> bool:
    """Return whether a string is an IPv4 address, or an IPv6 address in brackets."""
    return _parse_ip_address(name) is not None


def _normalize_host(value: str) -> str:
    if value == "*":
        return value
    with suppress(ValueError):
        if ipaddress.ip_address(value).version == 6:
            value = f"[{value}]"
    name = re.fullmatch(_NAME, value.lower())
    if not name:
        raise ValueError(
            f"{value!r} is not a host name or IP address; remove the scheme and the port, if any"
        )
    return name[1].removesuffix(".")


def _match_host(pattern: re.Pattern[str], value: str) -> str:
    """Return the host in a header's value without a trailing dot, or an empty string."""
    match = pattern.fullmatch(value.lower())
    return match[1].removesuffix(".") if match else ""


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_loopback_address(name: str) -> bool:
    address = _parse_ip_address(name)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def _parse_ip_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IPv4 address, an IPv6 address that was in brackets, or ``None``."""
    with suppress(ValueError):
        if name.startswith("["):
            return ipaddress.IPv6Address(name[1:-1])
        return ipaddress.IPv4Address(name)
    return None
