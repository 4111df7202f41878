"""Built-in objects as Kubernetes' Go types would read and write them. Called by the API server on every write.

``check`` finds wrong types and unknown fields; ``settle`` puts an object into the form in which Kubernetes would answer it
(`settling`). Both walk the object once, over members compiled once per kind. Sources: the facts in `messages`; Go's
``encoding/json``; sigs.k8s.io/json for the words of its errors.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from trueup.kube.messages import META, Field, Message, for_kind, message
from trueup.kube.names import Kind, Object
from trueup.kube.quantity import parse
from trueup.kube.settling import settle
from trueup.kube.times import parse_time

Trail = tuple[Any, ...]
"""Where a value is: the trail of what holds it, its name, and its index or key in a list or map. Written out on demand."""
Unknown = Callable[[Object, str, Trail], None]
"""Told of each unknown field: what holds it, its name, its trail."""

_QUANTITY = "k8s.io.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "k8s.io.apimachinery.pkg.util.intstr.IntOrString"
_LEAVES = {_QUANTITY: "quantity", _INT_OR_STRING: "int-or-string", f"{META}Time": "time", f"{META}MicroTime": "micro"}
_ANYTHING = ("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")
_HALF = 1 << 31
_LIMITS = {"int32": _HALF, "int64": 1 << 63}


class WrongType(ValueError):
    """A value does not fit its Go type; says so as Go does.

    ``converting``: how Go says it where the object is read already and only converted.
    """

    def __init__(self, text: str, converting: str = "") -> None:
        super().__init__(text)
        self.converting = converting or text


_REFUSED_EMPTY = frozenset({("HPAScalingRules", "policies")})
"""Lists that get a default where there is none, and are refused where there is nothing in them."""


class Member:
    """One JSON name of a struct."""

    __slots__ = ("drop", "field", "go_type", "leaf", "many", "name", "null", "one", "struct", "zero")

    def __init__(self, name: str, field: Field | None, struct: Struct | None) -> None:
        self.name = name
        self.field = field
        self.struct = struct
        """What it holds, or what its list or map holds; None for leaves."""
        self.many = field.many if field else ""
        self.leaf = _leaf(field)
        self.one = _one(field) if field else "string"
        """The Go type of a value, of one where there are many."""
        self.go_type = _go_type(field, self.one) if field else "string"
        if field and not field.scalar and field.message.is_list:
            # A map of lists, such as a user's extra information: read as it comes.
            self.struct, self.leaf = None, "any"
        self.drop = field is None or (field.omitempty and not field.pointer)
        """Left out of JSON when zero."""
        always = field is not None and not (field.pointer or field.many or field.omitzero)
        bare = field is not None and bool(field.many) and not (field.omitempty or field.pointer or field.omitzero)
        self.null = bare or (always and self.leaf in ("time", "micro"))
        """Whether JSON shows null where there is none: of lists that are not left out, and of Go's times, which say so."""
        self.zero: Any = None
        """What JSON shows when nothing is given; None for nothing."""
        if always and self.leaf == "quantity":
            self.zero = "0"
        elif always and self.leaf in ("struct", "int-or-string"):
            self.zero = {} if self.leaf == "struct" else 0
        elif always and field is not None and field.scalar and not field.omitempty:
            self.zero = {"string": "", "bool": False, "bytes": None}.get(field.kind, 0)


class Struct:
    """One Go struct, with the members that one version of Kubernetes has; filled in when first used."""

    __slots__ = ("_make", "_members", "go_name", "name", "zeros")

    def __init__(self, go_name: str, make: Callable[[], Mapping[str, Member]]) -> None:
        self.go_name = go_name
        """``v1.PodSpec``."""
        self.name = go_name.rpartition(".")[2]
        self._make = make
        self._members: Mapping[str, Member] | None = None
        self.zeros: tuple[Member, ...] = ()
        """Those that JSON shows although nothing is given; known once ``members`` was asked for."""

    @property
    def members(self) -> Mapping[str, Member]:
        """By JSON name."""
        found = self._members
        if found is None:
            found = self._members = self._make()
            self.zeros = tuple(member for member in found.values() if member.zero is not None or member.null)
        return found

    def check(self, obj: Object, unknown: Unknown) -> None:
        """Tell of unknown fields. Raises ``WrongType`` at the first value that does not fit."""
        _check(obj, self, (), unknown)

    def settle(self, obj: Object) -> None:
        """Put the object into the form that Kubernetes answers, in place. Raises ``WrongType``."""
        settle(obj, self)


class Structs:
    """The structs of one version's definitions."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._known: dict[str, Struct] = {}

    def of(self, kind: Kind) -> Struct | None:
        """The struct of a kind; None when there is none."""
        held = for_kind(kind)
        return self._struct(held) if held is not None else None

    def named(self, name: str) -> Struct:
        """The struct of a message."""
        return self._struct(message(name))

    def _struct(self, held: Message) -> Struct:
        found = self._known.get(held.name)
        if found is None:
            found = self._known[held.name] = Struct(held.go_name, lambda: self._members(held))
        return found

    def _members(self, held: Message) -> Mapping[str, Member]:
        fields: Mapping[str, Field | None] = held.by_name
        definition = self._definitions.get(_definition_name(held.name))
        if definition is not None:
            # What the version does not know is unknown; what has no field number (apiVersion, kind) is text.
            fields = {name: fields.get(name) for name in definition.get("properties") or ()}
        out: dict[str, Member] = {}
        for name, field in fields.items():
            holds = field is not None and _leaf(field) == "struct"
            out[name] = Member(name, field, self._struct(field.message) if field and holds else None)
            if field is None and definition is not None and definition["properties"][name].get("type") != "string":
                out[name].leaf = "any"  # of a version whose Go types are not known
            if (held.go_name.rpartition(".")[2], name) in _REFUSED_EMPTY:
                out[name].drop = False
        return out


@cache
def metadata_struct() -> Struct:
    """The metadata that custom objects have, too."""
    return Structs({}).named(f"{META}ObjectMeta")


@cache
def status_struct() -> Struct:
    """What other programs say of success and failure."""
    return Structs({}).named(f"{META}Status")


def _definition_name(name: str) -> str:
    """``k8s.io.api.core.v1.Pod`` is published as ``io.k8s.api.core.v1.Pod``."""
    return f"io.{name.replace('k8s.io.', 'k8s.', 1)}".replace("_", "-")


def _leaf(field: Field | None) -> str:
    if field is None:
        return "string"
    if field.scalar:
        return field.kind
    known = _LEAVES.get(field.kind)
    if known:
        return known
    name = field.kind.rpartition(".")[2]
    if name in ("RawExtension", "FieldsV1", "Duration") or (name in _ANYTHING and ".apiextensions." in field.kind):
        return "any"
    return "struct"


def _one(field: Field) -> str:
    if not field.scalar:
        return field.message.go_name
    return field.go or {"bytes": "[]uint8", "double": "float64", "float": "float32"}.get(field.kind, field.kind)


def _go_type(field: Field, one: str) -> str:
    if field.many == "map":
        return "v1.ResourceList" if field.kind == _QUANTITY else f"map[string]{one}"
    return f"[]{one}" if field.many == "list" else one


# --- checking ----------------------------------------------------------------------------------------------------


def _check(obj: Object, struct: Struct, trail: Trail, unknown: Unknown) -> None:
    members = struct.members
    for name, value in obj.items():
        member = members.get(name)
        if member is None:
            unknown(obj, name, (trail, name))
        elif value is None:
            continue
        elif not member.many:
            if member.struct is None:
                if type(value) is not str or member.leaf != "string":
                    _check_leaf(value, member, struct, (trail, name))
            elif isinstance(value, dict):
                _check(value, member.struct, (trail, name), unknown)
            else:
                raise _wrong(value, struct, (trail, name), member.go_type)
        elif not isinstance(value, list if member.many == "list" else dict):
            raise _wrong(value, struct, (trail, name), member.go_type)
        else:
            _check_items(value, member, struct, (trail, name), unknown)


def _check_items(value: Any, member: Member, struct: Struct, trail: Trail, unknown: Unknown) -> None:
    leaf, below = member.leaf, member.struct
    for key, item in enumerate(value) if member.many == "list" else value.items():
        if item is None:
            continue
        if below is None:
            if type(item) is not str or leaf != "string":
                _check_leaf(item, member, struct, trail)
        elif isinstance(item, dict):
            _check(item, below, (*trail, key), unknown)
        else:
            raise _wrong(item, struct, trail, below.go_name)


class Decimal:
    """A number as a document has it, where it is not written as a whole one; only a ``float64`` is read from it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _check_leaf(value: Any, member: Member, struct: Struct, trail: Trail) -> None:
    leaf = member.leaf
    if leaf == "any":
        return
    kind = type(value)
    if leaf in _LIMITS:
        if kind is Decimal:
            raise _wrong(0, struct, trail, member.one, f"number {value.text}")
        if kind not in (int, float):
            raise _wrong(value, struct, trail, member.one, converting=conversion_problem(value, member.one, leaf))
        if not (-_LIMITS[leaf] <= value < _LIMITS[leaf] and value == int(value)):
            converting = f"cannot convert {'float64' if type(value) is float else 'int64'} to {member.one}"
            raise _wrong(value, struct, trail, member.one, f"number {value}", converting)
    elif leaf == "string" or leaf == "bool":
        if kind is not (str if leaf == "string" else bool):
            raise _wrong(value, struct, trail, member.one, converting=conversion_problem(value, member.one, leaf))
    elif leaf == "int-or-string":
        if kind not in (int, float, str) or (kind is not str and not (value == int(value) and -_HALF <= value < _HALF)):
            what = (
                f"number {value.text if kind is Decimal else value}" if kind in (int, float, Decimal) else _word(value)
            )
            said = f"json: cannot unmarshal {what} into Go value of type int32"
            raise _wrong(value, struct, trail, "int32", what, said)
    elif leaf == "bytes":
        if kind is list:
            _check_numbers(value, struct, trail)
        elif kind is not str:
            raise _wrong(value, struct, trail, "[]uint8")
        else:
            _check_base64(value)
    elif leaf in ("quantity", "time", "micro"):
        if kind is Decimal and leaf == "quantity":
            return
        if leaf != "quantity" and kind is not str:
            said = f"json: cannot unmarshal {_word(value)} into Go value of type string"
            raise _wrong(value, struct, trail, "string", converting=said)
        _check_text(value, leaf)
    elif kind not in (int, float, Decimal):
        raise _wrong(value, struct, trail, member.one)


def _check_text(value: Any, leaf: str) -> None:
    try:
        if leaf == "quantity":
            parse(value if type(value) in (str, int, float) else "")
        else:
            parse_time(value, micro=leaf == "micro")
    except ValueError as problem:
        raise WrongType(str(problem)) from None


def _check_numbers(value: list[Any], struct: Struct, trail: Trail) -> None:
    """Go reads a list of small numbers as bytes."""
    for item in value:
        if type(item) not in (int, float):
            if item is not None:
                raise _wrong(item, struct, trail, "uint8")
        elif not (0 <= item < 256 and item == int(item)):
            raise _wrong(item, struct, trail, "uint8", f"number {item}", "cannot convert int64 to uint8")


def _check_base64(value: str) -> None:
    try:
        b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        text = f"illegal base64 data at input byte {_bad_byte(value)}"
        raise WrongType(text, f"error decoding from json: {text}") from None


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\r\n")


def _bad_byte(text: str) -> int:
    """Where Go's decoder stops: the first byte that is none of base64's, or what is left over at the end."""
    for index, letter in enumerate(text):
        if letter not in _BASE64 and not (letter == "=" and not text[index:].strip("=\r\n") and index % 4 > 1):
            return index
    if text.endswith("=") and not text.endswith("=="):
        return len(text)  # one more was expected
    return len(text) // 4 * 4


def path(trail: Trail, *, bare: bool = False) -> str:
    """``spec.containers[0].foo``. ``bare``: without the keys of maps, as who converts an object leaves them out."""
    parts: list[str] = []
    while trail:
        trail, name, *key = trail
        parts.append(name)
        if key:
            parts[-1] += f"[{key[0]}]" if isinstance(key[0], int) else "" if bare else f".{key[0]}"
    return ".".join(reversed(parts))


def _go_path(trail: Trail) -> str:
    """``spec.containers.foo``: Go names no indices."""
    parts: list[str] = []
    while trail:
        trail, name, *_ = trail
        parts.append(name)
    return ".".join(reversed(parts))


def _wrong(value: Any, struct: Struct, trail: Trail, go_type: str, word: str = "", converting: str = "") -> WrongType:
    what = word or _word(value)
    where = f"{struct.name}.{_go_path(trail)}"
    text = f"json: cannot unmarshal {what} into Go struct field {where} of type {go_type}"
    return WrongType(text, converting or conversion_problem(value, go_type))


_PLAIN = frozenset({"string", "bool", "int32", "int64", "uint8", "uint32", "uint64", "float32", "float64"})


def conversion_problem(value: Any, go_type: str, plain: str = "") -> str:
    """``plain``: what a scalar is, whatever its type is called. Source: apimachinery ``runtime/converter.go``."""
    plain = plain or (go_type if go_type in _PLAIN else "")
    have = {"number": "float64" if type(value) is float else "int64", "object": "map", "array": "slice"}
    kind = have.get(_word(value), _word(value))
    if go_type.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if go_type.startswith("map[") or go_type == "v1.ResourceList":
        return f"cannot restore map from {kind}"
    if not plain:
        return f"cannot restore struct from: {kind}"
    if (kind == "int64" and plain != "bool") or (kind == "float64" and plain not in ("bool", "string")):
        return f"cannot convert {kind} to {go_type}"
    return f"unrecognized type: {plain}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    words: dict[type, str] = {str: "string", dict: "object", list: "array"}
    return words.get(type(value), "number")
