"""The HTTP server of the live view: read-only, for a browser of this machine that knows the token.

It is the standard library's server: one thread per connection, no dependency. Every request is checked before anything
else happens: the Host header, which a foreign page that was pointed at this address by its DNS name cannot forge, and
the token in the address, compared in constant time. Nothing but GET and HEAD is answered.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from latkit._io import one_line, printable
from latkit.errors import LatkitError
from latkit.layout import FittedModels
from latkit.serve.page import POLICY, REPORT_POLICY, error_page, event, live_page
from latkit.serve.reports import Download, NotThere, Reports
from latkit.serve.snapshot import Reader
from latkit.serve.view import View, view_of

TOKEN_BYTES = 24
REQUEST_TIMEOUT_S = 20.0
"""For a browser that connects and sends nothing."""
SECONDS_BETWEEN_VIEWS = 1.0
SECONDS_BETWEEN_SIGNS = 10.0
"""Between two lines of a stream in which nothing changes: a browser that is gone is noticed."""
MAX_STREAMS = 32
EXPECTED = "expected the address that latkit serve printed, but found another"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Latest:
    """The view as of the last second, read once for all browsers, and only while one is looking."""

    def __init__(self, workspace: FittedModels) -> None:
        self._reader = Reader(workspace)
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._view: View = {}

    def get(self) -> View:
        """The view; the same object until it is read again."""
        with self._lock:
            if time.monotonic() - self._read_at >= 0.9 * SECONDS_BETWEEN_VIEWS:
                self._view = view_of(self._reader.read())
                self._read_at = time.monotonic()
            return self._view


@dataclass(slots=True)
class Site:
    """What the server answers with, and to whom."""

    name: str
    token: str
    latest: Latest
    reports: Reports
    hosts: frozenset[str] = frozenset()
    """Accepted Host headers."""
    any_address: bool = False
    """Whether a Host header that is an IP address is accepted too: no DNS name leads to it."""
    streams: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_STREAMS))
    ending: threading.Event = field(default_factory=threading.Event)

    def accepts(self, host: str) -> bool:
        """Whether a Host header names this server."""
        return host.lower() in self.hosts or (self.any_address and _is_address(host))


class Server(ThreadingHTTPServer):
    """Serves a workspace until `shutdown`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, workspace: FittedModels, host: str, port: int) -> None:
        """Listen. Raises LatkitError where that is not possible."""
        address = ipaddress.ip_address(host)
        self.address_family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        root = workspace.root.resolve()
        self.site = Site(
            printable(root.name), secrets.token_urlsafe(TOKEN_BYTES), Latest(workspace), Reports(workspace)
        )
        try:
            super().__init__((host, port), partial(Handler, self.site))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LatkitError(
                f"expected to listen at port {port} of {host}, but found: {reason.lower()}; choose another with "
                "--port, or any free one with --port 0"
            ) from error
        self.port = self.server_port
        shown = f"[{host}]" if address.version == 6 else host
        names = {shown, "localhost"} if address.is_loopback else {shown, "localhost", socket.gethostname().lower()}
        self.site.hosts = frozenset(f"{name}:{self.port}" for name in names)
        self.site.any_address = not address.is_loopback
        self.url = f"http://{shown}:{self.port}/{self.site.token}/"

    def server_bind(self) -> None:
        """Bind without looking the address up in the DNS, as the base class does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes its connection is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """End the streams, and stop listening."""
        self.site.ending.set()
        super().server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "latkit"
    sys_version = ""
    timeout = REQUEST_TIMEOUT_S

    def __init__(self, site: Site, *arguments: Any) -> None:
        self._site = site
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer, once Host and token are right."""
        if not self._site.accepts(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.FORBIDDEN, f"{EXPECTED} Host")
            return
        token, _, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._site.token.encode()):
            self._refuse(
                HTTPStatus.FORBIDDEN, "expected the address that latkit serve printed, but found another token"
            )
            return
        if rest == "events":
            self._stream()
        elif rest == "":
            page = live_page(self._site.name, self._site.latest.get())
            self._send(HTTPStatus.OK, page.encode(), POLICY)
        else:
            self._report([unquote(part) for part in rest.split("/")])

    def do_HEAD(self) -> None:
        """The same without the content."""
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what the base class cannot parse, and other methods, in plain text."""
        unknown = code == HTTPStatus.NOT_IMPLEMENTED  # what the base class answers to any other method
        status = HTTPStatus.METHOD_NOT_ALLOWED if unknown else HTTPStatus(code)
        self.close_connection = True
        self._refuse(status, message or status.phrase)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Requests are not logged: their addresses hold the token."""

    def _report(self, parts: list[str]) -> None:
        try:
            found = self._site.reports.at(parts)
        except NotThere:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing at this address", self._home)
        except LatkitError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), self._home)
        else:
            if isinstance(found, Download):
                self._send(HTTPStatus.OK, found.content, REPORT_POLICY, found.name)
            else:
                self._send(HTTPStatus.OK, found, REPORT_POLICY)

    @property
    def _home(self) -> str:
        """The address of the view: for who has the token."""
        return f"/{self._site.token}/"

    def _refuse(self, status: HTTPStatus, reason: str, home: str = "") -> None:
        self._send(status, error_page(status, one_line(reason, 600), home).encode(), POLICY)

    def _send(self, status: HTTPStatus, content: bytes, policy: str, save_as: str = "") -> None:
        self.send_response(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self._headers(policy, "application/octet-stream" if save_as else "text/html; charset=utf-8")
        if save_as:
            self.send_header("Content-Disposition", f'attachment; filename="{save_as}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _headers(self, policy: str, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", policy)
        for name, value in HEADERS.items():
            self.send_header(name, value)

    def _stream(self) -> None:
        """Server-sent events: every list at first, then those that change."""
        if self.command == "HEAD" or not self._site.streams.acquire(blocking=False):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"more than {MAX_STREAMS} pages are open")
            return
        try:
            self.close_connection = True
            self.send_response(HTTPStatus.OK)
            self._headers(POLICY, "text/event-stream; charset=utf-8")
            self.end_headers()
            self._send_changes()
        finally:
            self._site.streams.release()

    def _send_changes(self) -> None:
        sent: View = {}
        sent_at = time.monotonic()
        while True:
            view = self._site.latest.get()
            changed = {name: rows for name, rows in view.items() if sent.get(name) != rows}
            if changed:
                self.wfile.write(event(time.time(), changed))
            elif time.monotonic() - sent_at >= SECONDS_BETWEEN_SIGNS:
                self.wfile.write(b": nothing has changed\n\n")
            if changed or time.monotonic() - sent_at >= SECONDS_BETWEEN_SIGNS:
                sent_at = time.monotonic()
            sent = view
            if self._site.ending.wait(SECONDS_BETWEEN_VIEWS):
                return


def _is_address(host: str) -> bool:
    """Whether a Host header has an IP address."""
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True
