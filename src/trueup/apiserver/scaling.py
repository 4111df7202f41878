"""An object's Scale: its replicas, read and written as ``autoscaling/v1``. Called by `subresources` and in-process clients.

A Scale is read out of the object, changed by a whole one, a patch or an apply, and what it says then is written into the object.
Source: each ``registry/…/storage`` with its ``scaleUpdatedObjectInfo``; of custom kinds apiextensions ``customresource/etcd.go``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from trueup.apiserver.hub import Hub
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.verbs.patch import check_form, decode_applied, expect_applied, patched
from trueup.apiserver.verbs.update import change, conflict, other_uid, refused_by_store, uids_of
from trueup.kube import validation
from trueup.kube.go_json import word
from trueup.kube.names import Kind, Object
from trueup.kube.problems import BadRequest, Cause, Invalid
from trueup.merge import owners
from trueup.merge.scales import Paths, owned_by_parent, owned_by_scale
from trueup.ports import PatchType

_KIND = Kind("autoscaling", "v1", "Scale")
_NEVER_SET = -(1 << 31)
"""The replicas of a custom object that has none: whoever writes its Scale has to say how many."""
_VERSIONS = ("apps/v1", "apps/v1beta1", "apps/v1beta2", "v1")


async def scale(
    hub: Hub, served: Served, namespace: str, name: str, body: Any, how: PatchType | None, write: Write
) -> Object:
    """Set the replicas that a Scale (``how`` is None), or a patch of one, says; answers the Scale."""
    paths = scale_paths(served)
    asked = replace(
        served,
        kind=_KIND,
        shape=hub.types.shape(_KIND),
        struct=hub.types.struct(_KIND),
        crd=None,
        version_spec=None,
        warning="",
        rules=None,
    )
    body = _readable(served, asked, body, how, namespace, name, write)

    def scaled(stored: Object) -> tuple[Object, bool]:
        old = _with_owners(served, stored, paths[0])
        if how is None:
            _check_preconditions(served, namespace, name, body, stored, write)
            new = prepare.copy(body)
        elif how == "apply":
            new = owners.apply(
                old, body, asked.shape, manager=write.manager, force=write.force, subresource="scale", now=hub.now()
            )
        else:
            new = patched(asked, old, name, body, how, write)
        if asked.struct is not None:
            asked.struct.settle(new)
        if how != "apply":
            new = owners.track_update(old, new, asked.shape, manager=write.manager, subresource="scale", now=hub.now())
        replicas = (new.get("spec") or {}).get("replicas") or 0
        _check(served, asked, name, new, replicas, stored)
        made = _replaced(stored, paths[0], replicas)
        return owned_by_parent(made, new, served.kind.api_version, _paths(served, paths[0])), True

    return scale_of(await change(hub, served, namespace, name, scaled, write), paths)


def _readable(
    served: Served, asked: Served, body: Any, how: PatchType | None, namespace: str, name: str, write: Write
) -> Any:
    """The body, once it is known to be a Scale or a patch of one. Raises ``ApiProblem``."""
    if how is None:
        whole = prepare.copy(body)
        prepare.expect_kind(asked, whole)
        try:
            prepare.decode(asked, whole, write)
        except prepare.Unreadable:
            if not served.custom:
                raise  # the words of what serves custom kinds fail at a Scale
            unknown = 'no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"'
            raise BadRequest(unknown) from None
        prepare.identify(asked, whole, namespace, name, named=True)
        return whole
    if how != "apply":
        check_form(body, how)
        return body
    applied, called = expect_applied(asked, body)
    wrong = decode_applied(asked, applied, called, write)
    if wrong is not None:
        raise wrong
    prepare.identify(asked, applied, namespace, name)
    return applied


def _with_owners(served: Served, stored: Object, path: list[str]) -> Object:
    """The Scale as it is, with who owns its replicas."""
    old = scale_of(stored, scale_paths(served))
    if served.custom and _at(stored, path) is None:
        old["spec"] = {"replicas": _NEVER_SET}
    shown = owned_by_scale(stored, _paths(served, path))
    return {**old, "metadata": {**old["metadata"], "managedFields": shown}} if shown else old


def _paths(served: Served, path: list[str]) -> Paths:
    """Where each version has its replicas."""
    if served.crd is None:
        return dict.fromkeys(_VERSIONS, path)
    spec = served.crd["spec"]
    return {
        f"{spec['group']}/{version['name']}": scale_path(version, "specReplicasPath") for version in spec["versions"]
    }


def _check_preconditions(
    served: Served, namespace: str, name: str, scale: Object, stored: Object, write: Write
) -> None:
    meta = scale["metadata"]
    if meta.get("uid") and meta["uid"] != stored["metadata"]["uid"]:
        raise conflict(served, name, refused_by_store(served, namespace, name, uids_of(meta["uid"], stored), write))
    if meta.get("resourceVersion") and meta["resourceVersion"] != stored["metadata"]["resourceVersion"]:
        raise conflict(served, name)


def _check(served: Served, asked: Served, name: str, new: Object, replicas: int, stored: Object) -> None:
    """Raises ``Invalid`` and what else is wrong of a Scale; a custom object is checked by itself afterwards."""
    if served.custom:
        if replicas == _NEVER_SET:
            path = (served.version_spec or {})["subresources"]["scale"].get("specReplicasPath", "")
            raise BadRequest(f'the spec replicas field "{path}" cannot be empty')
        return
    causes = list(validation.metadata(_KIND, new))
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        causes.append(Cause("FieldValueInvalid", text, "spec.replicas"))
    if causes:
        raise prepare.invalid(asked, name, causes)
    wanted_uid = new["metadata"].get("uid")
    if wanted_uid and wanted_uid != stored["metadata"]["uid"]:
        part = replace(served, resource=replace(served.resource, name=f"{served.resource.name}/scale"))
        raise conflict(part, name, other_uid(wanted_uid, stored))


def with_replicas(stored: Object, path: list[str], replicas: object) -> Object:
    """The object with other replicas. Raises ``BadRequest`` and ``Invalid``."""
    name = stored["metadata"]["name"]
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise BadRequest(
            f'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal {word(replicas)} '
            "into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise Invalid(
            f'Scale.autoscaling "{name}" is invalid: spec.replicas: {text}',
            causes=[Cause("FieldValueInvalid", text, "spec.replicas")],
            details={"name": name, "group": "autoscaling", "kind": "Scale"},
        )
    return _replaced(stored, path, replicas)


def _replaced(stored: Object, path: list[str], replicas: int) -> Object:
    new = prepare.copy(stored)
    at = new
    for part in path[:-1]:
        at = at.setdefault(part, {})
    at[path[-1]] = replicas
    return cast(Object, new)


def scale_path(version: Any, name: str) -> list[str]:
    """Where a version of a definition has what its Scale shows; empty when it has none."""
    scaled = (version.get("subresources") or {}).get("scale") or {}
    return str(scaled.get(name) or "").strip(".").split(".") if scaled.get(name) else []


def scale_paths(served: Served) -> tuple[list[str], list[str], list[str]]:
    """Where replicas are wished, where they are counted, and where the selector stands."""
    if served.version_spec is None:
        return ["spec", "replicas"], ["status", "replicas"], []
    wished, counted, chosen = (
        scale_path(served.version_spec, name)
        for name in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    )
    return wished, counted, chosen


def scale_of(obj: Object, paths: tuple[list[str], list[str], list[str]]) -> Object:
    """An object as ``autoscaling/v1`` Scale."""
    meta = obj["metadata"]
    selector: Any = _at(obj, paths[2]) if paths[2] else (obj.get("spec") or {}).get("selector")
    if isinstance(selector, dict):
        labels = (
            selector.get("matchLabels") if "matchLabels" in selector or "matchExpressions" in selector else selector
        )
        selector = ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))
    keep = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": _at(obj, paths[1]) or 0}
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in keep if name in meta},
        "spec": {"replicas": replicas} if (replicas := _at(obj, paths[0]) or 0) else {},
        "status": status,
    }


def _at(obj: Any, path: list[str]) -> Any:
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj
