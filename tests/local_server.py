"""An HTTP server of our own on 127.0.0.1, which the stand-ins for archives share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Quiet], closing: threading.Event | None = None) -> Iterator[str]:
    """Serve in a thread, and yield the address; `closing` is set at the end, so that answers which wait give up."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            if closing is not None:
                closing.set()
            http.shutdown()
            thread.join()
