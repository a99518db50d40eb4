"""Fixtures of the network environment."""

from __future__ import annotations

import pytest

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of proxies and certificates from the environment."""
    for name in (*_VARIABLES, *(name.upper() for name in _VARIABLES), *_CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
