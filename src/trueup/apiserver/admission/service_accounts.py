"""ServiceAccount: a pod runs as an account, with its token and its pull secrets. Source: ``plugin/pkg/admission/serviceaccount``.

Where nothing makes the account ``default`` (no controllers run), pods that name no other are let in without a token,
as clusters for tests have it that switch this plugin off.
"""

from __future__ import annotations

from trueup.apiserver import fresh
from trueup.apiserver.admission.plugin import forbidden, new_pod
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.kube.names import Object
from trueup.store.state import Store

_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_PREFIX = "kube-api-access-"
_EXPIRES = 60 * 60 + 7
"""An hour, and some seconds by which such tokens are recognized. Source: ``pkg/serviceaccount/claims.go``."""


class ServiceAccounts:
    """Reads the stored accounts."""

    def __init__(self, store: Store) -> None:
        self._accounts = store.bucket("serviceaccounts")

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Fill in name, token volume and pull secrets. Raises ``Forbidden`` for an account that is not there."""
        if not new_pod(served, operation, write):
            return
        spec, space = obj["spec"], obj["metadata"]["namespace"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        entry = self._accounts.newest(space, name)
        if entry is None:
            if name == "default":
                return
            why = f'error looking up service account {space}/{name}: serviceaccount "{name}" not found'
            raise forbidden(served, obj, why)
        account = entry.obj
        if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
            _mount(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": one.get("name")} for one in account["imagePullSecrets"]]


def _mount(spec: Object) -> None:
    volumes = spec.get("volumes") or []
    there = next((one["name"] for one in volumes if str(one.get("name")).startswith(_PREFIX)), "")
    mount = {"name": there or _PREFIX + fresh.suffix(), "readOnly": True, "mountPath": _PATH}
    needed = False
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts = container.get("volumeMounts") or []
        if not any(one.get("mountPath") == _PATH for one in mounts):
            container["volumeMounts"] = [*mounts, dict(mount)]
            needed = True
    if needed and not there:
        spec["volumes"] = [*volumes, _volume(str(mount["name"]))]


def _volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _EXPIRES, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": sources}}
