"""Kubernetes' protobuf bodies to objects. Called by the API server, for kubectl's create verbs send nothing else.

Bytes in, an object out, as its JSON would have been. The table of field numbers is distilled from the published
messages by ``scripts/distil_protobuf.py``. Source: Kubernetes API concepts, "Kubernetes Protobuf encoding".
"""

from __future__ import annotations

import base64
import lzma
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from trueup.kube.names import Kind, Object
from trueup.kube.problems import BadRequest, UnsupportedMediaType

MAGIC = b"k8s\0"
_META = "k8s.io.apimachinery.pkg.apis.meta.v1."
_ZERO_MEANT = frozenset({"replicas", "minReplicas", "backoffLimit", "completions", "parallelism", "gracePeriodSeconds",
                         "terminationGracePeriodSeconds", "runAsUser", "runAsGroup", "fsGroup"})  # fmt: skip
"""Fields that are pointers in Go: a zero in them was written on purpose. Any other zero is an absent field."""


def decode(body: bytes) -> Object:
    """The object in a ``application/vnd.kubernetes.protobuf`` body. Raises ``BadRequest``."""
    if not body.startswith(MAGIC):
        raise BadRequest("the body is no Kubernetes protobuf: it does not begin with k8s\\0")
    try:
        envelope = dict(_fields(body[4:]))
        type_meta = dict(_fields(envelope.get(1, b"")))
        api_version, kind = type_meta.get(1, b"").decode(), type_meta.get(2, b"").decode()
        raw = envelope.get(2, b"")
        if envelope.get(4) == b"application/json":
            found: Object = orjson.loads(raw)
            return found
        message = message_name(Kind.parse(api_version, kind))
        if message not in _messages():
            raise UnsupportedMediaType(f"{kind} in {api_version} cannot be read from protobuf: send JSON")
        return {"apiVersion": api_version, "kind": kind, **_message(raw, message)}
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as problem:
        raise BadRequest(f"the protobuf body is broken: {problem}") from None


def message_name(kind: Kind) -> str:
    """The message of a kind; those of apimachinery serve every group."""
    if kind.kind in ("DeleteOptions", "Status", "CreateOptions", "UpdateOptions", "PatchOptions"):
        return _META + kind.kind
    group = kind.group.partition(".")[0] or "core"
    return f"k8s.io.api.{_PACKAGES.get(kind.group, group)}.{kind.version}.{kind.kind}"


_PACKAGES = {"internal.apiserver.k8s.io": "apiserverinternal"}


@lru_cache(maxsize=1)
def _messages() -> Mapping[str, Mapping[int, tuple[str, str, str]]]:
    packed = resources.files("trueup.kube.types").joinpath("messages.json.xz").read_bytes()
    table = orjson.loads(lzma.decompress(packed))
    return {
        name: {int(number): (field[0], field[1], field[2]) for number, field in fields.items()}
        for name, fields in table.items()
    }


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their raw values: integers, or bytes."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
        elif wire == 1:
            yield number, data[position : position + 8]
            position += 8
        elif wire == 2:
            size, position = _varint(data, position)
            if position + size > end:
                raise ValueError("a field is longer than the body")
            yield number, data[position : position + size]
            position += size
        elif wire == 5:
            yield number, data[position : position + 4]
            position += 4
        else:
            raise ValueError(f"wire type {wire} is unknown")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _message(data: bytes, name: str) -> Any:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    table = _messages()[name]
    out: Object = {}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        key, kind, how = field
        key = _RENAMED.get(key, key)
        if how == "map":
            pair = dict(_fields(raw))
            out.setdefault(key, {})[pair.get(1, b"").decode()] = _value(pair.get(2, b""), kind)
        elif how == "list":
            out.setdefault(key, []).append(_value(raw, kind))
        else:
            value = _value(raw, kind)
            if _is_inline(key, kind):
                if isinstance(value, dict):
                    out.update(value)
            elif _is_there(key, value, kind):
                out[key] = value
    if list(table.values()) == [("items", table.get(1, ("", "", ""))[1], "list")] and name.rpartition(".")[2] in _LISTS:
        return out.get("items", [])
    return out


_LISTS = frozenset({"ExtraValue"})
_DROPPED_EMPTY = frozenset(
    {
        "k8s.io.api.apps.v1.DeploymentStatus", "k8s.io.api.core.v1.PodStatus", "k8s.io.api.batch.v1.JobStatus",
        "k8s.io.api.batch.v1.CronJobStatus", "k8s.io.api.core.v1.NamespaceStatus", "k8s.io.api.core.v1.NamespaceSpec",
        "k8s.io.api.apps.v1.DeploymentStrategy", "k8s.io.api.core.v1.ServiceStatus",
        "k8s.io.api.core.v1.LoadBalancerStatus", "k8s.io.api.networking.v1.IngressStatus",
        "k8s.io.api.networking.v1.IngressLoadBalancerStatus", "k8s.io.api.core.v1.ResourceQuotaStatus",
        "k8s.io.api.policy.v1.PodDisruptionBudgetStatus", "k8s.io.api.autoscaling.v1.HorizontalPodAutoscalerStatus",
        "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "k8s.io.api.authorization.v1.SubjectAccessReviewStatus",
        "k8s.io.api.authorization.v1.SubjectRulesReviewStatus", "k8s.io.api.authentication.v1.TokenRequestStatus",
        "k8s.io.api.authentication.v1.SelfSubjectReviewStatus", "k8s.io.api.authentication.v1.UserInfo",
        _META + "ObjectMeta", _META + "ListMeta",
    }
)  # fmt: skip
"""Structs that Go sends although nothing is in them."""


def _is_there(key: str, value: Any, kind: str) -> bool:
    """Whether Go's JSON would show the field, for protobuf sends zeros too."""
    if value is None or (value == {} and kind in _DROPPED_EMPTY):
        return False
    return key in _ZERO_MEANT or value is True or value not in (0, "", False)


_RENAMED = {"Webhooks": "webhooks", "Expression": "expression", "Name": "name", "aPIGroup": "apiGroup"}
_INLINE = frozenset(
    {
        "volumeSource", "persistentVolumeSource", "localObjectReference", "ephemeralContainerCommon",
        "ruleWithOperations", "rule", "ingressRuleValue", "deviceConfiguration",
    }
)  # fmt: skip


def _is_inline(key: str, kind: str) -> bool:
    """Embedded structs stand in protobuf under their Go name; in JSON their fields are the parent's."""
    if key == "localObjectReference":
        return kind.endswith(".LocalObjectReference")
    return key in _INLINE or (key == "handler" and kind.endswith("Handler"))


def _value(raw: Any, kind: str) -> Any:
    match kind:
        case "string":
            return raw.decode()
        case "bytes":
            return base64.b64encode(raw).decode()
        case "bool":
            return bool(raw)
        case "int32" | "int64":
            number = raw if isinstance(raw, int) else 0
            return number - (1 << 64) if number >= 1 << 63 else number
        case "uint32" | "uint64":
            return raw
        case "double":
            return struct.unpack("<d", raw)[0]
        case "float":
            return struct.unpack("<f", raw)[0]
    return _message(raw if isinstance(raw, bytes) else b"", kind)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _int_or_string(data: bytes) -> Any:
    found = dict(_fields(data))
    return found.get(3, b"").decode() if found.get(1) == 1 else _signed(found.get(2, 0))


def _time(data: bytes) -> Any:
    found = dict(_fields(data))
    if not found:
        return None
    return datetime.fromtimestamp(_signed(found.get(1, 0)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(data: bytes) -> Any:
    found = dict(_fields(data))
    if not found:
        return None
    moment = datetime.fromtimestamp(_signed(found.get(1, 0)), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{found.get(2, 0) // 1000:06d}Z"


def _text(data: bytes) -> Any:
    return dict(_fields(data)).get(1, b"").decode()


def _json(data: bytes) -> Any:
    raw = dict(_fields(data)).get(1, b"")
    return orjson.loads(raw) if raw else None


_SPECIAL: Mapping[str, Any] = {
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _text,
    _META + "Time": _time,
    _META + "MicroTime": _micro_time,
    _META + "FieldsV1": _json,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _json,
}
