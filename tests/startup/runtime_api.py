"""What stands for Lambda's Runtime API while a function starts: it hears the first request for work, and never answers.

The API is described at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. It must not hand out work:
what is measured here ends where work would begin.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time

NEXT = "GET /2018-06-01/runtime/invocation/next "
"""How the request for work begins. Anything else that a starting function says is an error of its own."""
HEAD_BYTES_MAX = 65536
"""A request's head is a few hundred bytes."""


class NoRequest(Exception):
    """A function did not ask for work."""


class RuntimeApi:
    """A listening stand-in on loopback; a context manager."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._heard = threading.Event()
        self._said = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    @property
    def address(self) -> str:
        """What `AWS_LAMBDA_RUNTIME_API` is on Lambda: host and port."""
        host, port = self._listening.getsockname()
        return f"{host}:{port}"

    def await_request(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        """Returns when the process has asked for work; raises NoRequest if it ends, says something else, or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self._heard.wait(0.02):
            if (status := process.poll()) is not None:
                raise NoRequest(f"ended with status {status} before it asked for work")
            if time.monotonic() > deadline:
                raise NoRequest(f"did not ask for work within {timeout_s:g} s")
        if not self._said.startswith(NEXT):
            raise NoRequest(f"said {self._said.splitlines()[:1]} instead of asking for work")

    def _listen(self) -> None:
        try:
            connection, _ = self._listening.accept()
            said = b""
            while b"\r\n\r\n" not in said and len(said) < HEAD_BYTES_MAX:
                if not (more := connection.recv(4096)):
                    break
                said += more
        except OSError:
            return  # closed: nobody waits any more
        self._connection = connection  # kept open: a link that breaks would be work for the function
        self._said = said.decode("latin-1")
        self._heard.set()
