"""An operator that uses what kopf has: handlers of changes and fields, retries, children, daemons, timers, indices, events.

Run by `tests/system/test_kopf.py`.
"""

from __future__ import annotations

from typing import Any

import kopf
import kubernetes


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "lamps.example.com/finalizer"


@kopf.index("lamps.example.com")  # type: ignore[arg-type]
def rooms(spec: kopf.Spec, name: str, **_: Any) -> dict[str, str]:
    """Lamps by their room."""
    return {spec.get("room", ""): name}


@kopf.on.create("lamps.example.com", backoff=0.05)
def create(spec: kopf.Spec, name: str, namespace: str, retry: int, patch: kopf.Patch, **_: Any) -> dict[str, Any]:
    """Fails twice, then makes a child."""
    if retry < 2:
        raise kopf.TemporaryError("not yet", delay=0.05)
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-child"},
        "data": {"room": spec["room"]},
    }
    kopf.adopt(child)
    kubernetes.config.load_kube_config()
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, child)
    patch.metadata.labels["lit"] = "yes"
    return {"tries": retry + 1}


@kopf.on.field("lamps.example.com", field="spec.watts")
def watts(old: Any, new: Any, patch: kopf.Patch, **_: Any) -> None:
    """Says the last change."""
    patch.status["watts"] = f"{old} to {new}"


@kopf.on.update("lamps.example.com", field="spec.room")
def moved(patch: kopf.Patch, rooms: kopf.Index[str, str], **_: Any) -> None:
    """Says which rooms have lamps."""
    patch.status["rooms"] = sorted(rooms)


@kopf.timer("lamps.example.com", interval=0.1, when=lambda spec, **_: spec.get("room") == "hall")
def tick(patch: kopf.Patch, status: kopf.Status, **_: Any) -> None:
    """Counts, in the hall."""
    patch.status["ticks"] = min(status.get("ticks", 0) + 1, 3)


@kopf.daemon("lamps.example.com", cancellation_timeout=1)
async def burn(stopped: kopf.DaemonStopped, logger: kopf.Logger, **_: Any) -> None:
    """Burns until the end."""
    logger.info("burns")
    await stopped.wait()
    logger.info("burns no more")


@kopf.on.event("", "v1", "configmaps", labels={"lamp": kopf.PRESENT})
def seen(type: str | None, name: str, namespace: str, logger: kopf.Logger, **_: Any) -> None:
    """Says what happens to ConfigMaps of lamps."""
    logger.info(f"saw {type or 'what was there'}")


@kopf.on.delete("lamps.example.com")
def delete(name: str, body: kopf.Body, **_: Any) -> None:
    """Leaves an event behind."""
    kopf.info(body, reason="PutOut", message=f"{name} is dark")
