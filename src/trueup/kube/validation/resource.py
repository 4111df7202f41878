"""Claims and classes of devices, the group resource.k8s.io. Source: Kubernetes ``pkg/apis/resource/validation/validation.go``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueup.kube.names import Object
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from trueup.kube.validation.storage import csi_driver_name

_MOST, _MOST_SELECTORS, _MOST_ALTERNATIVES, _MOST_TOLERATIONS = 32, 32, 8, 16
_LONGEST_ID, _LONGEST_EXPRESSION = 32, 10 * 1024
_MODES, _OPERATORS = ("All", "ExactCount"), ("Equal", "Exists")
EFFECTS = ("NoExecute", "NoSchedule", "None")
_NOTHING = (
    "compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', "
    "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
)
_NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def claim(obj: Object) -> Causes:
    """ResourceClaim."""
    yield from _devices((obj.get("spec") or {}).get("devices") or {}, "spec.devices")


def claim_template(obj: Object) -> Causes:
    """ResourceClaimTemplate."""
    spec = obj.get("spec") or {}
    yield from object_meta.of_template(spec.get("metadata") or {}, "spec.metadata")
    yield from _devices((spec.get("spec") or {}).get("devices") or {}, "spec.spec.devices")


def device_class(obj: Object) -> Causes:
    """DeviceClass."""
    spec = obj.get("spec") or {}
    yield from _selectors(spec.get("selectors") or [], "spec.selectors")
    yield from _few(spec.get("config") or [], _MOST, "spec.config", _configuration)
    name = spec.get("extendedResourceName")
    if name is not None and not _is_extended(name):
        yield invalid("spec.extendedResourceName", name, "must be a valid extended resource name")


def _is_extended(name: str) -> bool:
    """A resource of a domain that is not Kubernetes' own, of which there can be a quota."""
    domain, slash, _ = name.partition("/")
    own = domain == "kubernetes.io" or domain.endswith(".kubernetes.io") or "kubernetes.io/" in name
    return bool(slash) and not own and not name.startswith("requests.") and not formats.qualified(f"requests.{name}")


def _devices(devices: Object, path: str) -> Causes:
    requests = devices.get("requests") or []
    known = {one.get("name") or "": {sub.get("name") for sub in one.get("firstAvailable") or ()} for one in requests}

    def references(found: Object, at: str) -> Causes:
        yield from unique(found.get("requests") or [], _MOST, f"{at}.requests", lambda n, p: _reference(n, p, known))

    def constraint(found: Object, at: str) -> Causes:
        yield from references(found, at)
        attribute, distinct = found.get("matchAttribute"), found.get("distinctAttribute")
        if attribute is not None:
            yield from _full_name(attribute, f"{at}.matchAttribute")
        elif distinct is not None:
            yield from _full_name(distinct, f"{at}.distinctAttribute")
        else:
            yield required(
                at, 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
            )

    def configured(found: Object, at: str) -> Causes:
        yield from references(found, at)
        yield from _configuration(found, at)

    yield from unique(requests, _MOST, f"{path}.requests", _request, "name")
    yield from _few(devices.get("constraints") or [], _MOST, f"{path}.constraints", constraint)
    yield from _few(devices.get("config") or [], _MOST, f"{path}.config", configured)


def _few(found: list[Any], most: int, path: str, check: Callable[[Any, str], Causes]) -> Causes:
    if len(found) > most:
        yield too_many(path, len(found), most)
        return
    for index, one in enumerate(found):
        yield from check(one, f"{path}[{index}]")


def unique(found: list[Any], most: int, path: str, check: Callable[[Any, str], Causes], key: str = "") -> Causes:
    """Things of which each is there once. ``key``: the field that tells them apart, none for texts."""
    yield from _few(found, most, path, check)
    if len(found) > most:
        return
    seen: set[str] = set()
    for index, one in enumerate(found):
        name = (one.get(key) or "") if key else one
        if name in seen:
            yield duplicate(f"{path}[{index}]", name)
        seen.add(name)


def _reference(name: str, path: str, known: dict[str, set[str]]) -> Causes:
    parts = name.split("/")
    if len(parts) > 2:
        yield invalid(path, name, _NO_REQUEST)
        return
    for part in parts:
        yield from each_invalid(path, part, formats.label(part))
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        yield invalid(path, name, _NO_REQUEST)


def _request(request: Object, path: str) -> Causes:
    name, exactly, first = request.get("name") or "", request.get("exactly"), request.get("firstAvailable") or []
    yield from each_invalid(f"{path}.name", name, formats.label(name))
    if exactly is None and not first:
        yield required(path, "exactly one of `exactly` or `firstAvailable` is required")
    elif exactly is not None and first:
        text = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        yield invalid(path, None, text)
    elif exactly is not None:
        yield from _wanted(exactly, f"{path}.exactly")
    else:
        yield from unique(first, _MOST_ALTERNATIVES, f"{path}.firstAvailable", _alternative, "name")


def _alternative(request: Object, path: str) -> Causes:
    name = request.get("name") or ""
    yield from each_invalid(f"{path}.name", name, formats.label(name))
    yield from _wanted(request, path)


def _wanted(request: Object, path: str) -> Causes:
    name, mode, count = request.get("deviceClassName") or "", request.get("allocationMode") or "", request.get("count")
    if name:
        yield from each_invalid(f"{path}.deviceClassName", name, formats.subdomain(name))
    else:
        yield required(f"{path}.deviceClassName")
    yield from _selectors(request.get("selectors") or [], f"{path}.selectors")
    if mode == "All":
        if count:
            yield invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode != "ExactCount":
        yield not_supported(f"{path}.allocationMode", mode, _MODES)
    elif (count or 0) <= 0:
        yield invalid(f"{path}.count", count or 0, "must be greater than zero")
    yield from _few(request.get("tolerations") or [], _MOST_TOLERATIONS, f"{path}.tolerations", _toleration)


def _toleration(found: Object, path: str) -> Causes:
    key, operator, value, effect = (found.get(name) or "" for name in ("key", "operator", "value", "effect"))
    if key:
        yield from each_invalid(f"{path}.key", key, formats.qualified(key))
    if operator == "Exists":
        if value:
            yield invalid(f"{path}.value", value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        yield from each_invalid(f"{path}.value", value, formats.label_value(value))
    elif not operator:
        yield required(f"{path}.operator")
    else:
        yield not_supported(f"{path}.operator", operator, _OPERATORS)
    if effect and effect not in EFFECTS:
        yield not_supported(f"{path}.effect", effect, EFFECTS)


def _selectors(found: list[Object], path: str) -> Causes:
    yield from _few(found, _MOST_SELECTORS, path, _selector)


def _selector(found: Object, path: str) -> Causes:
    """What the expression itself says is looked at by the API server."""
    if found.get("cel") is None:
        yield required(f"{path}.cel")
    elif not found["cel"].get("expression"):
        yield invalid(f"{path}.cel.expression", "", _NOTHING)
    elif len((found["cel"].get("expression") or "").encode()) > _LONGEST_EXPRESSION:
        yield too_long(f"{path}.cel.expression", _LONGEST_EXPRESSION)


def _configuration(found: Object, path: str) -> Causes:
    opaque = found.get("opaque")
    if opaque is None:
        yield required(f"{path}.opaque")
        return
    yield from csi_driver_name(opaque.get("driver") or "", f"{path}.opaque.driver")
    parameters = opaque.get("parameters")
    if parameters is None:
        yield required(f"{path}.opaque.parameters")
    elif not isinstance(parameters, dict):
        yield invalid(f"{path}.opaque.parameters", "<value omitted>", "must be a valid JSON object")


def qualified_name(name: str, path: str) -> Causes:
    """The name of an attribute or a capacity: an identifier, of a domain if it likes."""
    parts = name.split("/")
    if len(parts) == 1:
        yield from _identifier(name, path)
    elif len(parts) == 2:
        if parts[0]:
            yield from csi_driver_name(parts[0], path)
        else:
            yield invalid(path, "", "the domain must not be empty")
        if parts[1]:
            yield from _identifier(parts[1], path)
        else:
            yield invalid(path, "", "the name must not be empty")


def _full_name(name: str, path: str) -> Causes:
    yield from qualified_name(name, path)
    if "/" not in name:
        yield invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash")


def _identifier(name: str, path: str) -> Causes:
    if len(name) > _LONGEST_ID:
        yield too_long(path, _LONGEST_ID)
    if not (name.isascii() and name.isidentifier()):
        yield invalid(
            path,
            name,
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
            "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
            "'[A-Za-z_][A-Za-z0-9_]*')",
        )
