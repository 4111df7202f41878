"""Where webhooks are called: by URL or by service. Source: ``k8s.io/apiserver/pkg/util/webhook/validation.go``."""

from __future__ import annotations

from urllib.parse import urlsplit

from trueup.kube.names import Object
from trueup.kube.validation.causes import Causes, invalid, required
from trueup.kube.validation.formats import port_number, subdomain

_FORM = "; desired format: https://host[/path]"


def url(path: str, text: str, *, secure: bool) -> Causes:
    """The URL of a webhook; ``secure``: whether it must be HTTPS."""
    try:
        parts = urlsplit(text)
    except ValueError as problem:
        yield required(path, f'url must be a valid URL: parse "{text}": {problem}{_FORM}')
        return
    if text.startswith(":"):
        yield required(path, f'url must be a valid URL: parse "{text}": missing protocol scheme{_FORM}')
        return
    if secure and parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        yield invalid(path, "", f"host must be specified{_FORM}")
    if user:
        yield invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def service(path: str, named: Object) -> Causes:
    """The service of a webhook."""
    for word in ("name", "namespace"):
        if not named.get(word):
            yield required(f"{path}.{word}")
    port = named.get("port", 443)
    if problems := port_number(port):
        yield invalid(f"{path}.port", port, f"port is not valid: {', '.join(problems)}")
    below = named.get("path") or "/"
    if below == "/":
        return
    if below == "//":
        yield invalid(f"{path}.path", below, "segment[0] may not be empty")
        return
    if not below.startswith("/"):
        yield invalid(f"{path}.path", below, "must start with a '/'")
    for index, step in enumerate(below[1:].removesuffix("/").split("/")):
        for problem in subdomain(step) if step else ("may not be empty",):
            yield invalid(f"{path}.path", below, f"segment[{index}]{':' if step else ''} {problem}")
