"""Helm's ``lookup`` answered by the parent process. Runs in worker processes only.

Called by `engines`. Helm's library looks things up in a Kubernetes API, so for the time of one render this is one: on the
loopback interface, under a path that nobody can guess (clients send no token where there is no TLS), read-only. What it
is asked for it asks the parent for, who answers from the target's API under the identity that delivery has there.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Ask = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def serving(ask: Ask) -> Iterator[str]:
    """A kubeconfig for as long as the block runs."""
    token = secrets.token_urlsafe(24)
    guard = threading.Lock()

    def asked(question: dict[str, Any]) -> dict[str, Any]:
        with guard:  # one pipe, one question at a time
            return ask(question)

    class Handler(_Handler):
        root, answer = token, staticmethod(asked)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield _kubeconfig(f"http://127.0.0.1:{server.server_address[1]}/{token}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: str
    answer: Callable[[dict[str, Any]], dict[str, Any]]

    def do_GET(self) -> None:
        root, *parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if secrets.compare_digest(root.encode(), self.root.encode()):
            self._send(*self._answer(parts))
        else:
            self._send(401, _status(401, "Unauthorized"))

    def _answer(self, parts: list[str]) -> tuple[int, dict[str, Any]]:
        """``/api/v1[/namespaces/NS]/KIND[/NAME]``: kinds stand where a real API has the plural name."""
        if len(parts) < 2 or parts[0] not in ("api", "apis") or (parts[0] == "apis" and len(parts) < 3):
            return 404, _status(404, "NotFound")
        version, rest = (parts[1], parts[2:]) if parts[0] == "api" else (f"{parts[1]}/{parts[2]}", parts[3:])
        if not rest:
            return self._discovery(version)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind, name = rest[0], rest[1] if len(rest) > 1 else ""
        said = self.answer({"lookup": [version, kind, namespace, name]})
        if "error" in said:
            return 403, _status(403, "Forbidden", said["error"])
        found = said["object"]
        if found is None and name:
            return 404, _status(404, "NotFound")
        return 200, found or {"apiVersion": version, "kind": f"{kind}List", "metadata": {}, "items": []}

    def _discovery(self, version: str) -> tuple[int, dict[str, Any]]:
        kinds = self.answer({"kinds": version})["kinds"]
        if not kinds:
            return 404, _status(404, "NotFound")
        verbs = ["get", "list"]
        resources = [
            {"name": kind, "singularName": "", "kind": kind, "namespaced": True, "verbs": verbs} for kind in kinds
        ]
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}

    def _send(self, code: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the parent reports what matters."""


def _status(code: int, reason: str, message: str = "") -> dict[str, Any]:
    failure = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return {**failure, "code": code, "reason": reason, "message": message or reason}


def _kubeconfig(server: str) -> str:
    name = "target"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
