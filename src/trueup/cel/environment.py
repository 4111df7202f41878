"""What an expression may speak of: variables, object types, functions, macros. Handed to ``compile``.

``KUBERNETES`` is the environment that Kubernetes 1.36 gives to every expression; ``EXTENDED`` adds the extensions of
cel-go that Kubernetes leaves out. Source: ``k8s.io/apiserver/pkg/cel/environment/base.go``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.cel import messages, types
from trueup.cel.functions import Overload
from trueup.cel.macros import Expander
from trueup.cel.types import Field, ObjectType, Type
from trueup.cel.values import TypeValue

_TYPES: Mapping[str, Type] = {
    "bool": types.BOOL,
    "bytes": types.BYTES,
    "double": types.DOUBLE,
    "google.protobuf.Duration": types.DURATION,
    "google.protobuf.Timestamp": types.TIMESTAMP,
    "int": types.INT,
    "list": types.list_of(types.DYN),
    "map": types.map_of(types.DYN, types.DYN),
    "null_type": types.NULL,
    "optional_type": types.optional_of(types.DYN),
    "string": types.STRING,
    "type": types.TYPE,
    "uint": types.UINT,
    **messages.TYPES,
}


@dataclass(frozen=True)
class Environment:
    """Immutable; ``with_…`` answer a wider one."""

    functions: Mapping[str, tuple[Overload, ...]] = dataclasses.field(default_factory=dict)
    macros: Mapping[tuple[str, int, bool], Expander] = dataclasses.field(default_factory=dict)
    variables: Mapping[str, Type] = dataclasses.field(default_factory=dict)
    objects: Mapping[str, ObjectType] = dataclasses.field(default_factory=lambda: dict(messages.MESSAGES))
    type_names: Mapping[str, Type] = dataclasses.field(default_factory=lambda: dict(_TYPES))
    container: str = ""
    open_type: str = ""
    """The root of object types that have every field: ``Object`` and ``Object.spec``, whose fields are of any type."""
    check_literals: bool = True  # whether constants are judged before anything runs, and [1, 'a'] is refused
    escapes: bool = False  # whether a field's name may stand in backquotes
    folding: bool = True  # whether what is constant is computed once, and costs nothing

    def with_variables(self, variables: Mapping[str, Type]) -> Environment:
        """With more variables."""
        return replace(self, variables={**self.variables, **variables})

    def with_objects(self, objects: Iterable[ObjectType]) -> Environment:
        """With more object types, which ``Name{…}`` makes."""
        added = {each.name: each for each in objects}
        names = {name: types.struct(name) for name in added}
        return replace(self, objects={**self.objects, **added}, type_names={**self.type_names, **names})

    def with_library(
        self,
        overloads: Iterable[Overload],
        macros: Mapping[tuple[str, int, bool], Expander] | None = None,
        type_names: Mapping[str, Type] | None = None,
    ) -> Environment:
        """With more functions; an overload takes the place of its namesake."""
        functions = dict(self.functions)
        for each in overloads:
            others = tuple(known for known in functions.get(each.function, ()) if known.id != each.id)
            functions[each.function] = (*others, each)
        return replace(
            self,
            functions=functions,
            macros={**self.macros, **(macros or {})},
            type_names={**self.type_names, **(type_names or {})},
        )

    def with_open_type(self, root: str) -> Environment:
        """With object types under a root that have every field."""
        return replace(self, open_type=root)

    def _is_open(self, name: str) -> bool:
        return bool(self.open_type) and (name == self.open_type or name.startswith(f"{self.open_type}."))

    def field(self, type_name: str, name: str) -> Field | None:
        """A field of an object type; None where there is none. Raises ``KeyError`` for a type that has no fields at all."""
        if self._is_open(type_name):
            return Field(name, types.DYN)
        return self.objects[type_name].fields.get(name)

    def candidates(self, name: str) -> list[str]:
        """The full names that a name may stand for, nearest first."""
        if name.startswith("."):
            return [name[1:]]
        parts = self.container.split(".") if self.container else []
        return [".".join([*parts[:count], name]) for count in range(len(parts), -1, -1)]

    def variable(self, name: str) -> tuple[str, Type] | None:
        """A variable's full name and type."""
        for candidate in self.candidates(name):
            if candidate in self.variables:
                return candidate, self.variables[candidate]
            if candidate in self.type_names:
                return None
        return None

    def constant(self, name: str) -> tuple[Any, Type] | None:
        """What a name of a type stands for."""
        for candidate in self.candidates(name):
            if candidate in messages.CONSTANTS:
                return messages.CONSTANTS[candidate]
            found = self.type_named(candidate)
            if found is not None:
                return TypeValue(types.type_name(found)), types.type_of_type(found)
        return None

    def function(self, name: str) -> tuple[Overload, ...] | None:
        """A function's overloads."""
        for candidate in self.candidates(name):
            found = self.functions.get(candidate)
            if found is not None:
                return found
        return None

    def type_named(self, name: str) -> Type | None:
        """A type by its full name."""
        return types.struct(name) if self._is_open(name) else self.type_names.get(name)

    def object_name(self, name: str) -> str | None:
        """The full name of a type."""
        return next((each for each in self.candidates(name) if self.type_named(each) is not None), None)
