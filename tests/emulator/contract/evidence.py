"""The kinds of evidence and the sources of facts about the image service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .service import Service

DOCUMENTED, OBSERVED, ASSUMED, UNKNOWN = "documented", "observed", "assumed", "unknown"

# Sources.
DOCUMENTATION = "GroupMe's documentation"
PUBLIC = "public clients, traffic captures, or data dumps"
WEB_CLIENT = "capture of the official web client, July 2026"
MAIN_API = "GroupMe's main API"
NONE = "none"


@dataclass(frozen=True)
class Fact:
    """
    A fact, the result that the emulator gives, and the function that obtains a result.

    ``evidence`` is how reliable the fact is, and ``source`` where it was found.
    """

    description: str
    evidence: str
    expected: object
    source: str
    query: Callable[[Service], object]

    def result(self, service: Service) -> object:
        """Return the result of a service, or an exception as a string without the token."""
        try:
            return self.query(service)
        except Exception as error:  # noqa: BLE001  # The report contains any exception.
            text = f"{type(error).__name__}: {error}"
            return text.replace(service.token, "[access token]")


@dataclass(frozen=True)
class UntestedFact:
    """A fact, how reliable it is, where it was found, and how the app behaves because of it."""

    description: str
    evidence: str
    source: str
    consequence: str
