"""Random values and changes by a published schema: mostly fit, often not.

The sequences ask for an object changed in a few places; a schema of OpenAPI v3 says which fields there are.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
TEXTS = (
    "a", "b", "web", "x-1", "", "Bad_Name", "UPPER", "with space", "a.b.example.com", "x" * 64, "x" * 254, "-a", "a/b",
    "example.com/a", "https://example.com/p", "1.2.3.4", "10.0.0.0/8", "::1", "fd00::/64", "300.1.1.1", "/abs/path",
    "../up", "rel/path", "50%", "150%", "1Gi", "-1", "0", "abc", "ü", "a,b", "a=b", "$(X)", "*", "None", "Always",
    "Never", "TCP", "2024-01-01T00:00:00Z", "5m",
)  # fmt: skip
NUMBERS = (0, 1, 2, -1, 5, 80, 100, 101, 443, 3600, 65535, 65536, 2147483647, 30000)
QUANTITIES = ("1", "100m", "1Gi", "0", "-1", "1e3", "0.5", "1.5Gi", "abc", "", 2, "1Ti", "12345678901234567890")
KEYS = (
    "a",
    "b",
    "app",
    "example.com/a",
    "kubernetes.io/x",
    "Bad Key",
    "",
    "x" * 64,
    "cpu",
    "memory",
    "storage",
    "pods",
    "k8s.io/y",
)
MOMENTS = ("2024-01-01T00:00:00Z", "2030-06-01T12:00:00Z", "bad", "2024-01-01", "")
HINTS: Mapping[str, tuple[Any, ...]] = {
    "namespace": ("default", "a", "Bad_NS", ""),
    "apiGroup": ("", "apps", "rbac.authorization.k8s.io", "Bad Group"),
    "apiVersion": ("v1", "apps/v1", "", "a/b/c"),
    "kind": ("Pod", "ConfigMap", "ServiceAccount", "", "Group", "User"),
    "path": ("/", "/a", "rel", "../x", "", "/a//b", "/a/../b"),
    "mountPath": ("/a", "/b", "rel", "", "/a:b"),
    "port": (80, 0, 65536, "http", "BAD", -1, "x" * 16),
    "schedule": ("* * * * *", "@hourly", "bad", "", "61 * * * *", "TZ=UTC * * * * *"),
    "timeZone": ("UTC", "Europe/Berlin", "Bad/Zone", ""),
    "image": ("i:1", "i:2", "", " lead"),
    "verbs": (["get"], ["*"], [], ["get", "list"]),
    "operator": ("In", "Exists", "DoesNotExist", "Bad", "Equal", "NotIn", "Gt"),
    "resourceVersion": ("1", "bad", "", "0"),
    "generation": (1, 7),
    "deletionGracePeriodSeconds": (0, 5),
}
"""Values worth trying in fields of a name."""


class Values:
    """Makes values by one document's schemas."""

    def __init__(self, chance: random.Random, schemas: Mapping[str, Json]) -> None:
        self.chance, self.schemas = chance, schemas
        self.touched: set[str] = set()
        self.typed = False
        """Whether changes are no others than of types."""

    def resolved(self, schema: Json) -> Json:
        """What a reference leads to."""
        while True:
            if "$ref" in schema:
                schema = self.schemas.get(schema["$ref"].rpartition("/")[2], {})
            elif len(schema.get("allOf", ())) == 1:
                schema = schema["allOf"][0]
            else:
                return schema

    def any_of(self, values: Any) -> Any:
        """One of them, to be kept."""
        found = self.chance.choice(values)
        return copy.deepcopy(found) if isinstance(found, dict | list) else found

    def value(self, schema: Json, name: str = "", depth: int = 0) -> Any:
        """A value of the schema's type: not always one that is allowed."""
        schema = self.resolved(schema)
        if name in HINTS and schema.get("type") != "object" and self.chance.random() < 0.7:
            hinted = self.any_of(HINTS[name])
            wanted = {"string": str, "integer": int, "array": list}.get(schema.get("type", ""))
            if wanted is None or isinstance(hinted, wanted):
                return hinted
        if schema.get("enum") and self.chance.random() < 0.9:
            return self.any_of(schema["enum"])
        kind = schema.get("type", "")
        form = schema.get("format", "")
        if kind == "boolean":
            return self.any_of((True, False))
        if kind == "integer":
            return self.any_of(NUMBERS)
        if kind == "number":
            return self.any_of((0, 1.5, 2, -3))
        if form == "date-time":
            return self.any_of(MOMENTS)
        if form == "byte":
            return self.any_of(("", "AA==", "YQ==", "not base64!"))
        if "oneOf" in schema or form == "int-or-string":
            quantity = "number" in str(schema.get("oneOf"))
            return self.any_of(QUANTITIES) if quantity else self.any_of((*NUMBERS, "http", "50%", "1", "", "150%"))
        if kind == "string":
            return self.any_of(TEXTS)
        if kind == "array":
            size = self.any_of((0, 1, 1, 2))
            return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(size)]
        if kind == "object" or schema.get("properties"):
            return self.mapping(schema, depth)
        return self.any_of(("a", 1, {"a": "b"}, [1], True))

    def mapping(self, schema: Json, depth: int) -> Json:
        """An object of the schema: what is required, and a few of the rest."""
        if "properties" not in schema:
            more = schema.get("additionalProperties")
            inner = more if isinstance(more, dict) else {"type": "string"}
            return {self.any_of(KEYS): self.value(inner, "", depth + 1) for _ in range(self.any_of((0, 1, 1, 2)))}
        required = set(schema.get("required", ()))
        odds = 0.3 if depth < 2 else 0.12 if depth < 4 else 0.0
        found = {}
        for name, inner in schema["properties"].items():
            if (name in required and self.chance.random() < 0.95) or self.chance.random() < odds * min(
                1.0, 6 / len(schema["properties"])
            ):
                found[name] = self.value(inner, name, depth + 1)
        return found

    # --- changes ---

    def places(self, value: Any, schema: Json, path: str = "", depth: int = 0) -> Iterator[tuple[Any, Json, str]]:
        """Every map and list in a value with its schema."""
        schema = self.resolved(schema)
        yield value, schema, path
        if isinstance(value, dict) and isinstance(schema.get("properties"), dict):
            for name, inner in sorted(value.items()):
                if isinstance(inner, dict | list) and name in schema["properties"]:
                    yield from self.places(inner, schema["properties"][name], f"{path}.{name}", depth + 1)
        elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
            for _, inner in sorted(value.items()):
                if isinstance(inner, dict | list):
                    yield from self.places(inner, schema["additionalProperties"], f"{path}.*", depth + 1)
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            for inner in value:
                if isinstance(inner, dict | list):
                    yield from self.places(inner, schema["items"], f"{path}[]", depth + 1)

    def change(self, value: Json, schema: Json, roots: tuple[str, ...], *, typed: bool = False) -> str:
        """Changes one place below the roots; says which."""
        self.typed = typed
        top = self.resolved(schema).get("properties", {})
        known = [root for root in roots if root in top]
        if not known:
            return ""
        root = self.any_of(known)
        if typed and not isinstance(value.get(root), dict | list):
            return ""
        if root not in value or self.chance.random() < 0.1:
            self.set(value, root, top[root], root)
            return root
        inner = value[root]
        if not isinstance(inner, dict | list):
            self.set(value, root, top[root], root)
            return root
        places = [place for place in self.places(inner, top[root], root) if place[1]]
        place, at, path = self.any_of(places)
        if isinstance(place, dict) and isinstance(at.get("properties"), dict):
            name = self.any_of(sorted(at["properties"]))
            self.set(place, name, at["properties"][name], f"{path}.{name}")
            return f"{path}.{name}"
        if isinstance(place, dict):
            more = at.get("additionalProperties")
            name = self.any_of(sorted(place) if place and self.chance.random() < 0.5 else KEYS)
            self.set(place, name, more if isinstance(more, dict) else {"type": "string"}, f"{path}.*")
            return f"{path}.*"
        if typed:
            return ""
        item = self.value(at.get("items", {}))
        how = self.chance.random()
        if place and how < 0.2:
            place.append(self.any_of(place))
        elif place and how < 0.35:
            place.pop(self.chance.randrange(len(place)))
        else:
            place.insert(self.chance.randrange(len(place) + 1), item)
        self.touched.add(f"{path}[]")
        return f"{path}[]"

    def set(self, where: Json, name: str, schema: Json, path: str) -> None:
        """One field: another value, none, null or one of another type."""
        self.touched.add(path)
        luck = self.chance.random()
        if self.typed:
            wrong = _WRONG.get(self.resolved(schema).get("type", ""))
            if wrong and luck < 0.7:
                where[name] = self.any_of(wrong)
            else:
                where[self.any_of(("bogus", "nope", name.upper()))] = self.any_of((1, "x", {"a": 1}, [1], None))
        elif name in where and luck < 0.2:
            del where[name]
        elif luck < 0.24:
            where[name] = None
        elif luck < 0.32:
            where[name] = self.any_of((7, "text", True, [], {}, ["x"], {"a": 1}, 1.5))
        else:
            where[name] = self.value(schema, name)


_WRONG: Mapping[str, tuple[Any, ...]] = {
    "string": (7, True, {}, {"a": 1}, ["x"], 1.5),
    "integer": ("text", True, {}, ["x"], 1.5),
    "boolean": ("text", 7, {}, []),
    "array": ("text", 7, True, {"a": 1}),
    "object": ("text", 7, True, ["x"]),
}


def unknown(chance: random.Random, value: Json) -> None:
    """A field that no schema has, at the top or in ``spec``."""
    where = value.get("spec") if isinstance(value.get("spec"), dict) and chance.random() < 0.6 else value
    assert isinstance(where, dict)
    where[chance.choice(("bogus", "nope", "Spec"))] = chance.choice((1, "x", {"a": 1}, [1]))
