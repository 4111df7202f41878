"""A webhook server of a test's own: HTTPS on loopback, a certificate authority made for it, answers as functions."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Review = dict[str, Any]
Answer = Callable[[Review], Any]
"""From the review that came to the one that goes back; bytes and (status, bytes) are sent as they are."""
_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates. ``bundle`` is what a configuration's ``caBundle`` holds."""

    def __init__(self, folder: Path, name: str = "hooks") -> None:
        self._folder, self._name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.bundle = base64.b64encode(self.pem).decode()

    def context(self, *hosts: str) -> ssl.SSLContext:
        """What a server of these names speaks TLS by."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.server(*hosts))
        return made

    def server(self, *hosts: str) -> Path:
        """A file with a certificate for these names and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_name(host) for host in hosts]
        builder = self._builder(x509.Name([]), key).add_extension(x509.SubjectAlternativeName(names), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self._folder / "server.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        return path

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - TLS judges by the wall clock
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.serial_number(x509.random_serial_number()).public_key(key.public_key())
        return builder.not_valid_before(now - _DAY).not_valid_after(now + _DAY)


def _name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


class HookServer:
    """Answers by path; ``seen`` holds what came, as (path with query, review)."""

    def __init__(self, folder: Path, hosts: Sequence[str] = ("127.0.0.1", "localhost")) -> None:
        self.authority = Authority(folder)
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, Review]] = []
        self.headers: list[Mapping[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:  # a client that does not trust the certificate hangs up
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.socket = self.authority.context(*hosts).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = int(self._server.server_address[1])
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        review = orjson.loads(body)
        self.seen.append((handler.path, review))
        self.headers.append(dict(handler.headers))
        answer = self.answers.get(urlsplit(handler.path).path)
        made: Any = (404, b"404 page not found\n") if answer is None else answer(review)
        status, content = made if isinstance(made, tuple) else (200, made)
        content = content if isinstance(content, bytes) else orjson.dumps(content)
        if status == 204:
            content = b""
        handler.send_response(status)
        handler.send_header("content-type", "application/json" if content.startswith(b"{") else "text/plain")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def client(self, path: str = "") -> Review:
        """A ``clientConfig`` that calls this server."""
        return {"url": f"{self.url}{path}", "caBundle": self.authority.bundle}

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> HookServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def verdict(review: Review, allowed: bool = True, **said: Any) -> Review:
    """An answer to an AdmissionReview."""
    response = {"uid": review["request"]["uid"], "allowed": allowed, **said}
    return {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}


def patching(review: Review, *operations: Review) -> Review:
    """An answer that changes the object by a JSON patch."""
    return verdict(review, patchType="JSONPatch", patch=base64.b64encode(orjson.dumps(operations)).decode())
