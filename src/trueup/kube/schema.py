"""Objects against their schema: unknown fields, types, required fields, formats. Called by the API server on every write.

An object, its shape and its schema in; causes worded as Kubernetes words them out. Serves built-in kinds (OpenAPI
definitions) and custom ones (structural schemas). Sources: apiextensions-apiserver ``schema``, kube-openapi ``validate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.kube import formats
from trueup.kube.names import Object
from trueup.kube.patterns import BadPattern, pattern
from trueup.kube.problems import Cause
from trueup.kube.shapes import Shape

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def prune_unknown(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Take out in place what the schema does not know; answers the paths, e.g. ``spec.foo``."""
    gone: list[str] = []
    _prune(value, shape, path, gone)
    return gone


_KEEPS = "x-kubernetes-preserve-unknown-fields"
_NOTHING = Shape("map")


def _prune(value: Any, shape: Shape, path: str, gone: list[str]) -> None:
    if isinstance(value, dict):
        if shape.of != "map":
            if shape.preserve_unknown or shape.of == "any":
                return
            shape = _NOTHING  # whatever it ought to be, no field of it is known
        fields, values = shape.fields, shape.values
        if shape.schema.get("additionalProperties") is True and not shape.schema.get(_KEEPS):
            values = _NOTHING  # what may have any name is kept, but nothing is known of what is in it
        for name in list(value):
            known = fields.get(name)
            below = known if known is not None else values
            at = f"{path}.{name}" if path else name
            if below is None:
                if not shape.preserve_unknown:
                    del value[name]
                    gone.append(at)
                continue
            if isinstance(value[name], (dict, list)):
                _prune(value[name], below, at, gone)
    elif isinstance(value, list) and (shape is _NOTHING or shape.of == "scalar"):
        for index, item in enumerate(value):
            _prune(item, _NOTHING, f"{path}[{index}]", gone)
    elif isinstance(value, list) and shape.items is not None:
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                _prune(item, shape.items, f"{path}[{index}]", gone)


def drop_nulls(value: Any, schema: Mapping[str, Any]) -> None:
    """Take out, in place, nulls that may not be and have no default; how custom objects are read.

    Source: apiextensions-apiserver ``PruneNonNullableNullsWithoutDefaults``.
    """
    if isinstance(value, dict):
        known, further = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, item in list(value.items()):
            below = known.get(name, further)
            if not isinstance(below, Mapping):
                continue
            if item is None:
                if "default" not in below and not below.get("nullable"):
                    del value[name]
            elif isinstance(item, (dict, list)):
                drop_nulls(item, below)
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, Mapping):
            for item in value:
                if isinstance(item, (dict, list)):
                    drop_nulls(item, items)


def fill_defaults(value: Any, schema: Mapping[str, Any]) -> None:
    """Fill in a structural schema's defaults, in place; a null that may not stand is taken for nothing given.

    Source: Kubernetes documentation, "Defaulting and Nullable".
    """
    if isinstance(value, dict):
        known = schema.get("properties") or {}
        for name, below in known.items():
            if "default" in below and (name not in value or (value[name] is None and not _may_be_null(below))):
                value[name] = _copy(below["default"])
            if isinstance(value.get(name), (dict, list)):
                fill_defaults(value[name], below)
        further = schema.get("additionalProperties")
        if isinstance(further, Mapping):
            for name in value.keys() - known.keys():
                if isinstance(value[name], (dict, list)):
                    fill_defaults(value[name], further)
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, Mapping):
            for item in value:
                if isinstance(item, (dict, list)):
                    fill_defaults(item, items)


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get("nullable")) or ("type" not in schema and "x-kubernetes-int-or-string" not in schema)


# --- structural schemas ------------------------------------------------------------------------------------------


_FORM = {int: "int64", float: "double"}
"""What Go's validator takes for the format of a value; of others it names none."""


def validate(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[Cause]:
    """A custom object against its structural schema."""
    if value is None:
        if schema.get("nullable") or (schema.get("x-kubernetes-preserve-unknown-fields") and "type" not in schema):
            return
        if "type" in schema:
            yield _wrong_type(path, schema["type"], "null")
        if "enum" in schema:
            yield from _limits(value, schema, path)
        return
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            yield _wrong_type(path, "integer,string", _json_type(value))
        yield from _limits(value, schema, path)
        return
    if kind in _BOUNDS and isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_s_form(value, str(kind), str(schema.get("format") or ""), path)
        if kind == "integer" and not _is_whole(value):
            return
    elif kind and not _matches(value, str(kind)):
        form = schema.get("format")
        if not form or not isinstance(value, (str, list)):  # Go's validator lets those pass where a format is named
            yield _wrong_type(path, form or kind, _FORM.get(type(value), "") if form else _json_type(value))
    if isinstance(value, dict):
        yield from _object(value, schema, path)
    elif isinstance(value, list):
        yield from _array(value, schema, path)
    yield from _limits(value, schema, path)
    yield from _combined(value, schema, path)


def _object(value: Object, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    properties = schema.get("properties") or {}
    if schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            if name not in value:
                yield Cause("FieldValueRequired", "Required value", f"{path}.{name}")
            elif value[name] == "":
                yield _invalid(f"{path}.{name}", '""', "must not be empty")
    for name in schema.get("required") or ():
        if name not in value:
            yield Cause("FieldValueRequired", "Required value", f"{path}.{name}" if path else name)
    further = schema.get("additionalProperties")
    for name, below in value.items():
        sub = properties.get(name)
        if sub is None and isinstance(further, Mapping):
            sub = further
        if sub is not None:
            yield from validate(below, sub, f"{path}.{name}" if path else name)
    count = len(value)
    if "minProperties" in schema and count < schema["minProperties"]:
        yield _invalid(path, str(count), f"{path} in body should have at least {schema['minProperties']} properties")
    if "maxProperties" in schema and count > schema["maxProperties"]:
        yield Cause("FieldValueTooMany", f"Too many: {count}: must have at most {schema['maxProperties']} items", path)


def _array(value: list[Any], schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    items = schema.get("items") or {}
    for index, item in enumerate(value):
        yield from validate(item, items, f"{path}[{index}]")
    if "minItems" in schema and len(value) < schema["minItems"]:
        yield _invalid(path, str(len(value)), f"{path} in body should have at least {schema['minItems']} items")
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        most = schema["maxItems"]
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    if schema.get("x-kubernetes-list-type") in ("set", "map") or schema.get("uniqueItems"):
        yield from _duplicates(value, schema, path)


def _duplicates(value: list[Any], schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    properties = (schema.get("items") or {}).get("properties") or {}
    seen: dict[Any, int] = {}
    for index, item in enumerate(value):
        name: Any = item
        if keys and isinstance(item, dict):
            name = {key: item.get(key, properties.get(key, {}).get("default")) for key in keys}
            name = {key: part for key, part in name.items() if part is not None}
        told = _told(name)
        seen[told] = seen.get(told, 0) + 1
        if seen[told] == 2:  # each once, where it is said again
            yield Cause("FieldValueDuplicate", f"Duplicate value: {_text(name)}", f"{path}[{index}]")


def _told(value: Any) -> Any:
    """What two values share only if they are the same: 1 and 1.0 are not."""
    if isinstance(value, dict):
        return frozenset((key, _told(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(_told(item) for item in value)
    return type(value), value


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is no 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(below, other[name]) for name, below in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _fits(value: str, wanted: str) -> bool:
    """Nothing fits what is no pattern; definitions with such a one are refused."""
    try:
        return pattern(wanted).found(value)
    except BadPattern:
        return False


def _limits(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
        known = ", ".join(_text(item) for item in schema["enum"])
        yield Cause("FieldValueNotSupported", f"Unsupported value: {_text(value)}: supported values: {known}", path)
    if isinstance(value, str):
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            most = schema["maxLength"]
            yield Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)
        if "minLength" in schema and len(value) < schema["minLength"]:
            least = schema["minLength"]
            yield _invalid(path, _text(value), f"{path} in body should be at least {least} chars long")
        if "pattern" in schema and not _fits(value, schema["pattern"]):
            yield _invalid(path, _text(value), f"{path} in body should match '{schema['pattern']}'")
        form = schema.get("format")
        if form and not formats.is_of_format(value, form):
            text = f"Invalid value: {_text(value)}: {path} in body must be of type {form}: {_text(value)}"
            yield Cause("FieldValueTypeInvalid", text, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _numbers(value, schema, path)


def _numbers(value: float, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _invalid(path, _text(value), f"{path} in body should be {word} {_text(low)}")
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _invalid(path, _text(value), f"{path} in body should be {word} {_text(high)}")
    multiple = schema.get("multipleOf")
    if multiple and not _is_multiple(value, multiple):
        yield _invalid(path, _text(value), f"{path} in body should be a multiple of {_text(multiple)}")


def _is_multiple(value: float, factor: float) -> bool:
    """As Go has it: a whole number counts by the whole part of the factor, another nearly enough."""
    if isinstance(value, int):
        return int(factor) > 0 and value % int(factor) == 0
    times = value / factor
    return times == int(times) or abs(times - int(times)) < 1e-9 * (abs(times) + abs(int(times)))


def _combined(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """What parts refuse, and that they do. Source: kube-openapi ``validation/validate/schema_props.go``."""
    every = schema.get("allOf") or ()
    refused = [list(validate(value, part, path)) for part in every]
    for causes in refused:
        yield from causes
    if any(refused):
        yield _together(path, f"must validate all the schemas (allOf){'. None validated' if all(refused) else ''}")
    anyone = schema.get("anyOf")
    if anyone:
        refused = [list(validate(value, part, path)) for part in anyone]
        if all(refused):
            yield _together(path, "must validate at least one schema (anyOf)")
            yield from refused[0]
    one = schema.get("oneOf")
    if one:
        refused = [list(validate(value, part, path)) for part in one]
        count = sum(not causes for causes in refused)
        if count != 1:
            found = "Found none valid" if count == 0 else f"Found {count} valid alternatives"
            yield _together(path, f"must validate one and only one schema (oneOf). {found}")
            if count == 0:
                yield from refused[0]
    never = schema.get("not")
    if never is not None and next(validate(value, never, path), None) is None:
        yield _together(path, "must not validate the schema (not)")


NOWHERE = "<nil>"
"""The field of what is said of several schemas together, which names its place in words alone."""


def _together(path: str, text: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "": "{path}" {text}', NOWHERE)


_LARGEST = 2**63 - 1
_BOUNDS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "integer": {"": (-_LARGEST - 1, _LARGEST), "int64": (-_LARGEST - 1, _LARGEST), "int32": (-(2**31), 2**31 - 1)},
    "number": {"float": (-3.4028234663852886e38, 3.4028234663852886e38)},
}


def _is_whole(value: float) -> bool:
    """Whether Go holds it as a whole number, or as a float that is one."""
    low, high = _BOUNDS["integer"][""]
    return low <= value <= high and (isinstance(value, int) or value.is_integer())


def _number_s_form(value: float, kind: str, form: str, path: str) -> Iterator[Cause]:
    low, high = _BOUNDS[kind].get(form) or _BOUNDS[kind].get("") or (value, value)
    whole = kind != "integer" or _is_whole(value)
    if not whole:
        sized = form in ("int32", "int64")
        yield _wrong_type(path, form if sized else kind, "float64" if sized else "number")
    if not whole or not low <= value <= high:
        as_what = f"with format {form}" if form else "(default format)"
        text = f'Invalid value: "": Checked value must be of type {kind} {as_what} in {path}'
        yield Cause("FieldValueInvalid", text, "<nil>")


def _matches(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, (object,)))


def _wrong_type(path: str, wanted: Any, found: str) -> Cause:
    text = f'Invalid value: "{found}": {path or "<nil>"} in body must be of type {wanted}: "{found}"'
    return Cause("FieldValueTypeInvalid", text, path)


def _invalid(path: str, shown: str, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {detail}", path)


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return {str: "string", float: "number", dict: "object", list: "array"}.get(type(value), "null")


def _text(value: Any) -> str:
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(below) for name, below in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
