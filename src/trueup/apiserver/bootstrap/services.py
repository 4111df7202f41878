"""API services: one object for each group and version that is served. Kept up to date beside the hub.

Nothing is aggregated here: every one is local. Source: kube-aggregator ``apiserver.go``, ``crdregistration``, the
priorities of ``pkg/controlplane/apiserver/aggregator.go``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from trueup.apiserver.following import Following
from trueup.apiserver.hub import Hub
from trueup.apiserver.request import Write
from trueup.apiserver.verbs.delete import DeleteOptions, delete
from trueup.kube.names import Kind, Object
from trueup.kube.problems import NotFound
from trueup.kube.types import Types

KIND = Kind("apiregistration.k8s.io", "v1", "APIService")
_MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_GROUPS: Mapping[str, int] = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200, "resource.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100,
    "internal.apiserver.k8s.io": 16000, "storagemigration.k8s.io": 15800,
}  # fmt: skip
_VERSIONS: Mapping[tuple[str, str], int] = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("flowcontrol.apiserver.k8s.io", "v1beta3"): 18,
    ("resource.k8s.io", "v1"): 21,
}
_CUSTOM, _CUSTOM_VERSION = 1000, 100


def built_in(types: Types) -> Iterator[Object]:
    """Those of what the version of Kubernetes serves itself."""
    found = {(row.kind.group, row.kind.version) for row in types.resources}
    for group, version in sorted(found - {(KIND.group, KIND.version)}):
        yield _service(group, version, _GROUPS.get(group, 15000), _VERSIONS.get((group, version), 15), "onstart")


def _service(group: str, version: str, minimum: int, priority: int, managed: str) -> Object:
    said = {
        "type": "Available",
        "status": "True",
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
    return {
        "apiVersion": KIND.api_version,
        "kind": KIND.kind,
        "metadata": {"name": f"{version}.{group}", "labels": {_MANAGED: managed}},
        "spec": {
            **({"group": group} if group else {}),
            "groupPriorityMinimum": minimum,
            "version": version,
            "versionPriority": priority,
        },
        "status": {"conditions": [said]},
    }


class Services:
    """Follows what is served of custom groups: a service for each version, none for what is served no more."""

    def __init__(self, hub: Hub, plant: Callable[[Hub, Object], Awaitable[None]]) -> None:
        self._hub, self._plant = hub, plant
        self._bucket = hub.store.bucket("apiservices.apiregistration.k8s.io")
        self._work = Following("listing API services", self._follow)
        self.run = self._work.run
        hub.registry.changed.append(self._hear)
        self._hear()

    def _hear(self) -> None:
        self._work.take("all")

    async def _follow(self, _: str) -> None:
        hub = self._hub
        wanted: dict[str, Object] = {}
        for served in hub.registry.all():
            if served.custom:
                group, version = served.resource.group, served.resource.version
                made = _service(group, version, _CUSTOM, _CUSTOM_VERSION, "true")
                wanted[made["metadata"]["name"]] = made
        served = hub.serves(KIND)
        write = Write(manager="kube-apiserver", reviewed=False)
        for _, name, entry in list(self._bucket.scan()):
            if wanted.pop(name, None) is None and (entry.obj["metadata"].get("labels") or {}).get(_MANAGED) == "true":
                try:
                    await delete(hub, served, "", name, DeleteOptions(), write)
                except NotFound:
                    continue
        for obj in wanted.values():
            await self._plant(hub, obj)
