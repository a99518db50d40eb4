"""Connections to the service: how a body is sent on them."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from .bodies import PIECE

__all__ = ["PatientAdapter"]


class PatientAdapter(HTTPAdapter):
    """
    Sends a body in large pieces, and waits as long for a byte to be taken as for one to come.

    urllib3 has a piece taken, all of it, within the time that the connection may need to be
    made, which a slow line cannot do.
    """

    patience: float  # seconds

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        self.patience = timeout[-1] if isinstance(timeout, tuple) else timeout
        return super().send(request, stream, timeout, *args, **kwargs)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _PatientConnection):
            bases = _PatientConnection, pool.ConnectionCls
            pool.ConnectionCls = type("PatientConnection", bases, {"adapter": self})
        return pool

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=PIECE, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, blocksize=PIECE, **kwargs)


class _PatientConnection(HTTPConnection):
    adapter: PatientAdapter

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.sock.gettimeout() != self.adapter.patience:  # to set it is a call of the system
            self.sock.settimeout(self.adapter.patience)
        left = memoryview(data)
        while left:  # sendall() would have the time for the whole of it
            left = left[self.sock.send(left) :]
