"""Where webhooks are called, and the words when they cannot be reached or trusted: those of kube-apiserver 1.36."""

from __future__ import annotations

import base64
import socket
from pathlib import Path

from tests.hookserver import Authority, HookServer, Review, verdict
from tests.rooms.apiserver.test_webhooks import CALLING, HOOKS, configure, hook, server, written
from tests.rooms.apiserver.web import Web
from trueup.apiserver.hub import Hub
from trueup.apiserver.webhooks.resolving import resolve

__all__ = ["server"]


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_who_cannot_be_reached(web: Web, server: HookServer, tmp_path: Path) -> None:
    """Failures of the network and of trust are told in the words of Kubernetes' own client."""
    (tmp_path / "other").mkdir()
    (tmp_path / "named").mkdir()
    other = Authority(tmp_path / "other", "others")
    with HookServer(tmp_path / "named", ("example.com", "x.example.com")) as named:
        port = _free()
        refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
        tls, bundle = "tls: failed to verify certificate: x509: ", named.authority.bundle
        local = named.url.replace("127.0.0.1", "localhost")
        # The server's own certificate, with a word in another language before it.
        leaf = base64.b64encode("Schlüssel\n".encode() + (tmp_path / "named" / "server.pem").read_bytes()).decode()
        service = {"name": "nope", "namespace": "default", "path": "/x"}
        cases: list[tuple[Review, str]] = [
            ({"url": f"https://127.0.0.1:{port}"}, f'{port}/?timeout=10s": {refused}'),
            ({"url": f"https://127.0.0.1:{port}/a//b/"}, f'{port}/a/b?timeout=10s": {refused}'),
            ({"url": server.url, "caBundle": other.bundle}, f"{tls}certificate signed by unknown authority"),
            (
                {"url": named.url, "caBundle": bundle},
                f"{tls}cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            ),
            (
                {"url": named.url, "caBundle": leaf},
                f"{tls}cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            ),
            (
                {"url": local, "caBundle": bundle},
                f"{tls}certificate is valid for example.com, x.example.com, not localhost",
            ),
            ({"service": service}, 'Post "https://nope.default.svc:443/x?timeout=10s": service "nope" not found'),
        ]
        for client, want in cases:
            await configure(web, "Validating", hook(client))
            answer = await written(web)
            assert answer.json["message"].startswith(f'{CALLING}failed to call webhook: Post "https://')
            assert answer.json["message"].endswith(want)
            await web.ask("DELETE", f"{HOOKS}/validatingwebhookconfigurations/hooks")


async def test_services(web: Web, hub: Hub) -> None:
    """A Service leads to the addresses behind it."""
    client = {"service": {"name": "hook", "namespace": "default", "path": "/v"}}
    service = {"metadata": {"name": "hook"}, "spec": {"ports": [{"name": "https", "port": 443}]}}
    await web.post("/api/v1/namespaces/default/services", service)
    await configure(web, "Validating", hook(client))
    assert (await written(web)).json["message"].endswith('no endpoints available for service "hook"')
    endpoints = {
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": 8443}],
        "endpoints": [{"addresses": ["192.0.2.1"]}],
    }
    await web.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", endpoints)
    assert resolve(hub.store, "default", "hook", 443) == ("192.0.2.1", 8443)


async def test_services_elsewhere(web: Web, tmp_path: Path) -> None:
    """One that names a host is called there, under the Service's own name."""
    with HookServer(tmp_path, ("hook.default.svc",)) as server:
        server.answers["/v"] = lambda review: verdict(review, False)
        named = {"name": "hook", "namespace": "default", "path": "/v", "port": server.port}
        service = {"metadata": {"name": "hook"}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
        await web.post("/api/v1/namespaces/default/services", service)
        await configure(web, "Validating", hook({"service": named, "caBundle": server.authority.bundle}))
        answer = await written(web)
        assert answer.json["message"] == 'admission webhook "a.b.c" denied the request without explanation'
        assert server.headers[0]["Host"] == f"hook.default.svc:{server.port}"
