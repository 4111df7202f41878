"""The schemas of structured-merge-diff's own tests, as shapes, by the digest that the recording gives them.

The recording names types, fields and keys, but neither what lists and maps hold nor which are atomic; that is said here.
"""

from typing import Any

from trueup.kube.shapes import ANY, SCALAR, Shape


def struct(fields: dict[str, Shape], *, atomic: bool = False, values: Shape | None = None) -> Shape:
    return Shape("map", map_type="atomic" if atomic else "granular", make=lambda: (fields, values, None))


def map_of(values: Shape, *, atomic: bool = False) -> Shape:
    return struct({}, atomic=atomic, values=values)


def list_of(items: Shape, *keys: str, kind: Any = "", **defaults: Any) -> Shape:
    shape = Shape(
        "list", list_type=kind or ("map" if keys else "set"), map_keys=keys, make=lambda: ({}, None, items)
    )  # fmt: skip
    shape.defaults = defaults
    return shape


def scalars(*names: str, atomic: bool = False) -> Shape:
    return struct(dict.fromkeys(names, SCALAR), atomic=atomic)


def _versioned(version: str) -> Shape:
    inner = {"name": SCALAR, f"scalarField_{version}": SCALAR, f"complexField_{version}": scalars("name")}
    return struct({"struct": struct(inner), "version": SCALAR})


def _recursive() -> Shape:
    shape = Shape("map", make=lambda: ({}, shape, None))
    return shape


_STRINGS = list_of(SCALAR)
_STRING_MAP = map_of(SCALAR)
_SENTENCES = list_of(scalars("page", "line", "text"), "page", "line", page=2.0, line=3)

SHAPES: dict[tuple[str, str], Shape] = {
    ("11c13d87d14a", "__untyped_deduced_"): ANY,
    ("6446697af028", "v1"): struct(
        {"containerPorts": list_of(scalars("port", "protocol", "name"), "port", "protocol", protocol="TCP")}
    ),
    ("7a505c06e5c0", "v1"): struct(
        {
            "book": list_of(
                struct({"chapter": SCALAR, "section": SCALAR, "sentences": _SENTENCES}),
                "chapter",
                "section",
                chapter=1,
                section="A",
            )
        }
    ),
    ("4da80d4ba595", "type"): struct(
        {"list": list_of(scalars("name", "value1", "value2"), "name"), "unrelated": SCALAR, "set": list_of(SCALAR)}
    ),
    ("90eea4ec04e5", "type"): struct(
        {
            "associativeListReference": list_of(scalars("name", "value", atomic=True), "name", kind="atomic"),
            "separableInlineList": list_of(SCALAR),
            "separableMapReference": scalars("name", "value"),
            "atomicMapReference": scalars("name", "value", atomic=True),
        }
    ),
    ("f04dd88051af", "type"): struct(
        {
            "listOfLists": list_of(struct({"name": SCALAR, "value": _STRINGS}), "name"),
            "listOfMaps": list_of(struct({"name": SCALAR, "value": _STRING_MAP}), "name"),
            "mapOfLists": map_of(_STRINGS),
            "mapOfMaps": map_of(_STRING_MAP),
            "mapOfMapsRecursive": _recursive(),
            "struct": scalars("name", "value"),
        }
    ),
    ("54cc8544e2ed", "type"): struct({"list": list_of(scalars("name", "value"), "name")}),
    ("99c0e48c44d0", "leafFields"): scalars("numeric", "string", "bool"),
    ("b95b1e724825", "v1"): _versioned("v1"),
    ("b95b1e724825", "v2"): _versioned("v2"),
    ("b95b1e724825", "v3"): _versioned("v3"),
    ("ce2bfb685048", "v1"): struct({"atomicMap": scalars("field1", "field2", atomic=True)}),
    ("b7b1171eb390", "type"): struct({"num": SCALAR}, values=SCALAR),
    ("21c1ff352da8", "sets"): struct({"list": _STRINGS}),
}

_ATOMIC = struct({"struct": scalars("numeric", "string", atomic=True)})
_GRANULAR = struct({"struct": scalars("numeric", "string")})


def _named(*keys: str, **defaults: Any) -> Shape:
    return struct({"list": list_of(scalars("name", "id", "value"), *keys, **defaults)})


SHAPES |= {
    ("0ad002d5bfba", "v1"): _GRANULAR,
    ("ca9e1a0901cd", "sets"): struct(
        {
            "list": _STRINGS,
            "atomicList": list_of(SCALAR, kind="atomic"),
            "map": _STRING_MAP,
            "atomicMap": map_of(SCALAR, atomic=True),
        }
    ),
    ("824d228b7a51", "v1"): _named("name"),
    ("483c0116300a", "v1"): _named("name"),
}
BEFORE = {"TestAtomicToGranularSchemaChanges": _ATOMIC}
"""Atomic and granular schemas have one digest."""
LATER = {
    "TestGranularToAtomicSchemaChanges": _ATOMIC,
    "TestAtomicToGranularSchemaChanges": _GRANULAR,
    "TestAssociativeListSchemaChanges": _named("name", "id", id=1),
    "TestPromoteFieldToAssociativeListKey": _named("name", "id"),
}
"""What the schema is changed to under way; the recording does not say, the tests' names do."""
