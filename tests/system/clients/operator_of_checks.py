"""An operator by kopf that checks and completes what is written, after kopf's own example of admission handlers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kopf


@kopf.on.startup()
def config(settings: kopf.OperatorSettings, **_: Any) -> None:
    """A server on loopback with a certificate of the test's; kopf writes the webhook configurations itself."""
    folder = Path(os.environ["HOOK_CERTIFICATES"])
    pem = folder / "server.pem"
    settings.admission.server = kopf.WebhookServer(
        host="127.0.0.1", addr="127.0.0.1", cafile=folder / "ca.pem", certfile=pem, pkeyfile=pem
    )
    settings.admission.managed = "auto.example.com"


@kopf.on.validate("lamps")
def who(headers: kopf.Headers, warnings: list[str], **_: Any) -> None:
    """Warn of whoever asks."""
    warnings.append(f"Accessing as user-agent: {headers.get('User-Agent', '(unidentified)')}")


@kopf.on.validate("lamps")
def wrong(spec: kopf.Spec, dryrun: bool, **_: Any) -> None:
    """Refuse one value, but not of what will not happen."""
    if not dryrun and spec.get("room") == "wrong":
        raise kopf.AdmissionError("Meh! I don't like it. Change the room.")


@kopf.on.validate("lamps", field="spec.room", value="not-allowed")
def lazy(**_: Any) -> None:
    """Refuse with a code of one's own."""
    raise kopf.AdmissionError("I'm too lazy anyway. Go away!", code=555)


@kopf.on.validate("lamps", subresource="*")
def parts(spec: kopf.Spec, subresource: str | None, status: kopf.Status, warnings: list[str], **_: Any) -> None:
    """Look at subresources too."""
    if subresource == "status" and status.get("room") != spec.get("room"):
        raise kopf.AdmissionError("status.room MUST be equal to spec.room!")
    if subresource is None and status.get("room") != spec.get("room"):
        warnings.append("Also update status.room.")


@kopf.on.mutate("lamps", labels={"complete": "please"})
def complete(patch: kopf.Patch, **_: Any) -> None:
    """Fill something in."""
    patch.spec["watts"] = 123
