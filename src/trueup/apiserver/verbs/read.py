"""GET of one object and of lists. Source: Kubernetes API concepts, "Resource versions", "Retrieving large results sets"."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson

from trueup.apiserver.registry import Served
from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import BadRequest, Expired, not_found
from trueup.ports import Listing
from trueup.store.state import Entry

if TYPE_CHECKING:
    from trueup.apiserver.hub import Hub


def get(hub: Hub, served: Served, namespace: str, name: str) -> Object:
    """One object, shared."""
    entry = hub.store.bucket(served.storage).get(namespace, name)
    if entry is None:
        raise not_found(served.resource.group_resource, name)
    return hub.as_version(served, entry.obj)


def find(
    hub: Hub, served: Served, namespace: str, *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
) -> tuple[list[Entry], str, str, int]:
    """Matching entries, the revision, the next page's token, how many remain."""
    by_label = selectors.labels(labels) if labels else None
    by_field = selectors.fields(fields) if fields else None
    if by_field is not None:
        check_fields(served, by_field)
    after, revision = _position(page) if page else (("", ""), hub.store.revision)
    out: list[Entry] = []
    remaining = 0
    last = ("", "")
    token = ""
    for space, name, entry in hub.store.bucket(served.storage).scan(namespace):
        if page and (space, name) <= after:
            continue
        if by_label is not None and not by_label.matches(entry.obj["metadata"].get("labels")):
            continue
        if by_field is not None and not by_field.matches(entry.obj):
            continue
        if limit and len(out) == limit:
            remaining += 1
            if not token:
                token = _token(last, revision)
            if by_label is not None or by_field is not None:
                break
            continue
        out.append(entry)
        last = (space, name)
    if by_label is not None or by_field is not None:
        remaining = 0
    return out, str(revision), token, remaining


def listing(
    hub: Hub, served: Served, namespace: str, *, labels: str = "", fields: str = "", limit: int = 0, page: str = ""
) -> Listing:
    """A list for a client in process; objects are shared."""
    entries, revision, token, _ = find(hub, served, namespace, labels=labels, fields=fields, limit=limit, page=page)
    return Listing([hub.as_version(served, entry.obj) for entry in entries], revision, token)


_EVENT_FIELDS = frozenset(
    {
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    }
)  # fmt: skip
_FIELDS = {
    "Pod": frozenset(
        {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
         "status.phase", "status.podIP", "status.nominatedNodeName"}
    ),
    "Node": frozenset({"spec.unschedulable"}),
    "Namespace": frozenset({"status.phase"}),
    "Secret": frozenset({"type"}),
    "ReplicaSet": frozenset({"status.replicas"}),
    "ReplicationController": frozenset({"status.replicas"}),
    "Job": frozenset({"status.successful"}),
    "CertificateSigningRequest": frozenset({"spec.signerName"}),
    "Event": _EVENT_FIELDS,
    "Service": frozenset({"spec.clusterIP", "spec.type"}),
}  # fmt: skip


def check_fields(served: Served, selector: selectors.FieldSelector) -> None:
    """Only what a kind declares may be asked for."""
    known = _FIELDS.get(served.kind.kind, frozenset()) if not served.custom else frozenset()
    if served.version_spec is not None:
        known = frozenset(
            str(field.get("jsonPath", "")).lstrip(".") for field in served.version_spec.get("selectableFields") or ()
        )
    for path in selector.paths:
        if path not in ("metadata.name", "metadata.namespace") and path not in known:
            raise BadRequest(f"field label not supported: {path}")


def _token(after: tuple[str, str], revision: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": revision, "a": after})).decode()


def _position(token: str) -> tuple[tuple[str, str], int]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token))
        return (found["a"][0], found["a"][1]), int(found["v"])
    except (ValueError, KeyError, IndexError, TypeError):
        raise BadRequest(f"continue key is not valid: {token}") from None


__all__ = ["Expired", "find", "get", "listing"]
