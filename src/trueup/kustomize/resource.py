"""One object on its way through a build, with what has to be remembered about it.

Made by `reading` and `generators`, changed by the filters, turned into JSON at the end of `build`. Kustomize keeps these
notes in annotations of the object; here they are fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.kube.names import Object
from trueup.kustomize.ids import Gvk, Id, current_id, previous_id, split_version
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.scalars import copy, is_empty, is_null, text_of

ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"
LOCAL_CONFIG = "config.kubernetes.io/local-config"
_INTERNAL = "internal.config.kubernetes.io/"
BUILD_ANNOTATIONS = frozenset({
    *(_INTERNAL + name for name in (
        "previousKinds", "previousNames", "prefixes", "suffixes", "previousNamespaces", "allowNameChange",
        "allowKindChange", "refBy", "generatorBehavior", "needsHashSuffix", "path", "index", "seqindent", "id",
        "annotations-migration-resource-id",
    )),
    "config.kubernetes.io/path", "config.kubernetes.io/index", "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
})  # fmt: skip
"""Annotations that kustomize uses for its own notes and takes away at the end."""

_NOT_EQUAL = "number of previous names, number of previous namespaces, number of previous kinds not equal"
"""Upstream keeps what an object was called in lists with commas, and gives up on one that has a comma in its kind or name."""


class Shared:
    """One label or annotation that a transformer put into several maps of an object at once.

    Upstream these are one YAML node: whatever changes it in one place changes it in all. A patch of a label that
    ``commonLabels`` set reaches the selector too, and so it must here.
    """

    __slots__ = ("places", "value")

    def __init__(self, value: Any, places: list[tuple[dict[str, Any], str]]) -> None:
        self.value, self.places = value, places

    def spread(self) -> None:
        """Carries a value that was changed in one place to the others; places from which it was removed are forgotten."""
        self.places = [(holder, key) for holder, key in self.places if key in holder]
        for holder, key in self.places:
            value = holder[key]
            if value != self.value and not isinstance(value, (dict, list)):
                self.value = value
                break
        else:
            return
        for holder, key in self.places:
            holder[key] = self.value


class Resource:
    """One object and its history."""

    __slots__ = (
        "allow_kind_change", "allow_name_change", "behavior", "file", "hash_suffix", "helm", "line", "merges", "obj", "origin",
        "prefixes", "previous", "referred_by", "shared", "suffixes", "transformations", "variables",
    )  # fmt: skip

    def __init__(self, obj: Object, file: str = "", line: int = 0) -> None:
        self.obj: Object | None = obj
        self.file, self.line = file, line
        self.previous: list[tuple[str, str, str]] = []
        """Kind, name and effective namespace that it had before, oldest first."""
        self.prefixes: list[str] = []
        self.suffixes: list[str] = []
        self.variables: list[str] = []
        self.shared: list[Shared] = []
        self.referred_by: list[Id] = []
        self.behavior = ""
        self.merges = 0
        """Strategic merge patches it had, -1 once one had a target. Upstream's nodes know where they stood in their file,
        and such a patch leaves its own, or ones that stand nowhere where it has a target."""
        self.hash_suffix = self.allow_name_change = self.allow_kind_change = self.helm = False
        self.origin: dict[str, Any] | None = None
        self.transformations: list[dict[str, Any]] = []

    def copy(self) -> Resource:
        """A resource of its own."""
        other = Resource(copy(self.obj), self.file, self.line)
        other.previous, other.prefixes, other.suffixes = [*self.previous], [*self.prefixes], [*self.suffixes]
        other.variables, other.referred_by = [*self.variables], [*self.referred_by]
        other.behavior, other.hash_suffix, other.helm = self.behavior, self.hash_suffix, self.helm
        other.allow_name_change, other.allow_kind_change = self.allow_name_change, self.allow_kind_change
        other.origin, other.transformations = self.origin, [*self.transformations]
        return other

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def body(self) -> Object:
        """The object; an empty one when it was deleted."""
        return self.obj if self.obj is not None else {}

    @property
    def gone(self) -> bool:
        """Whether a patch left nothing of it."""
        return not self.obj

    @property
    def kind(self) -> str:
        """The kind as text."""
        return text_of(self.body.get("kind"))

    @property
    def api_version(self) -> str:
        """The API version as text."""
        return text_of(self.body.get("apiVersion"))

    @property
    def gvk(self) -> Gvk:
        """Group, version and kind."""
        return Gvk(*split_version(self.api_version), self.kind)

    @property
    def name(self) -> str:
        """The name as text."""
        return self._meta_text("name")

    @property
    def namespace(self) -> str:
        """The namespace as text; empty if there is none."""
        return self._meta_text("namespace")

    def _meta_text(self, field: str) -> str:
        metadata = self.body.get("metadata")
        if type(metadata) is not dict:
            return ""
        found = metadata.get(field)
        return found if type(found) is str else text_of(found)

    def texts(self, field: str) -> dict[str, str]:
        """Labels or annotations as text."""
        metadata = self.body.get("metadata")
        found = metadata.get(field) if isinstance(metadata, dict) else None
        return {key: text_of(value) for key, value in found.items()} if isinstance(found, dict) else {}

    @property
    def id(self) -> Id:
        """The id it has now. Asked more often than anything else, and nearly always of four texts."""
        obj = self.body
        metadata = obj.get("metadata")
        if type(metadata) is not dict:
            metadata = {}
        version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
        name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
        if type(version) is str and type(kind) is str and type(name) is str and type(namespace) is str:
            return current_id(version, kind, name, namespace)
        return current_id(text_of(version), text_of(kind), text_of(name), text_of(namespace))

    @property
    def previous_ids(self) -> list[Id]:
        """The ids it had, under the group and version it has now; oldest first."""
        if not self.previous:
            return []
        group, version = split_version(self.api_version)
        return [previous_id(group, version, kind, name, namespace) for kind, name, namespace in self.previous]

    @property
    def original_id(self) -> Id:
        """The first id it had."""
        return self.previous_ids[0] if self.previous else self.id

    @property
    def names(self) -> set[str]:
        """The name it has and those it had."""
        return {self.name, *(name for _, name, _ in self.previous)}

    def bears(self, name: str) -> bool:
        """Whether it has a name or had it: asked first where an object is looked for, as most have another."""
        for _, had, _ in self.previous:
            if had == name:
                return True
        return self.name == name

    def answers_to(self, id: Id) -> bool:
        """Whether it has an id or had it."""
        key = id.key
        return self.id.key == key or any(previous.key == key for previous in self.previous_ids)

    def spread(self) -> None:
        """To be called when fields of the object have been changed."""
        for shared in self.shared:
            shared.spread()

    @property
    def notes(self) -> tuple[Any, ...]:
        """What upstream keeps in annotations of the object, for comparing."""
        ids, affixes = tuple(self.previous), (*self.prefixes, "", *self.suffixes)
        flags = self.hash_suffix, self.allow_name_change, self.allow_kind_change, self.helm
        return ids, affixes, tuple(self.referred_by), self.behavior, self.merges, flags

    # --- changing --------------------------------------------------------------------------------------------------

    def remember_id(self) -> None:
        """Notes the current id as a previous one."""
        now = self.id
        if not now.kind.count(",") == now.name.count(",") == now.effective.count(","):
            raise KustomizeProblem(_NOT_EQUAL, path=self.file, line=self.line)
        self.previous.append((now.kind, now.name, now.effective))

    def forget(self) -> None:
        """To be called when all its annotations were replaced: upstream's notes were among them."""
        self.previous, self.prefixes, self.suffixes, self.referred_by = [], [], [], []
        self.behavior, self.hash_suffix, self.helm = "", False, False
        self.allow_name_change = self.allow_kind_change = False
        self.forget_origin()

    def forget_origin(self) -> None:
        """The same for what a JSON patch does not keep of them."""
        self.origin, self.transformations = None, []

    def metadata(self) -> dict[str, Any]:
        """The metadata, made if there is none."""
        obj = self.body
        found = obj.get("metadata")
        if not isinstance(found, dict):
            found = obj["metadata"] = {}
        return found

    def set_name(self, name: str) -> None:
        """Renames it."""
        self.metadata()["name"] = name

    def set_namespace(self, namespace: str) -> None:
        """An empty one drops the field."""
        if namespace:
            self.metadata()["namespace"] = namespace
        else:
            self.metadata().pop("namespace", None)

    def set_texts(self, field: str, values: Mapping[str, str]) -> None:
        """Labels or annotations; none drops the field."""
        if values:
            self.metadata()[field] = {key: values[key] for key in sorted(values)}
        else:
            self.metadata().pop(field, None)

    def take_metadata_from(self, other: Resource) -> None:
        """What a generated object keeps of the one that it replaces or merges into."""
        self.set_texts("labels", {**other.texts("labels"), **self.texts("labels")})
        self.set_texts("annotations", {**other.texts("annotations"), **self.texts("annotations")})
        self.set_name(other.name)
        self.set_namespace(other.namespace)
        self.previous, self.prefixes, self.suffixes = [*other.previous], [*other.prefixes], [*other.suffixes]
        self.referred_by, self.variables = [*other.referred_by], [*other.variables]
        self.behavior = other.behavior
        self.hash_suffix = self.hash_suffix and other.hash_suffix
        self.allow_name_change, self.allow_kind_change = other.allow_name_change, other.allow_kind_change
        if self.origin is None:
            self.origin = other.origin
        self.transformations = [*other.transformations]
        self.file = self.file or other.file

    def finish_annotations(self) -> None:
        """Annotations are text at the end, without kustomize's own, and none is no field."""
        metadata = self.body.get("metadata")
        if not isinstance(metadata, dict) or "annotations" not in metadata:
            return
        found = metadata["annotations"]
        if is_null(found) or is_empty(found) or not isinstance(found, dict):
            del metadata["annotations"]
            return
        kept = {key: text_of(value) for key, value in found.items() if key not in BUILD_ANNOTATIONS}
        kept.pop(ORIGIN, None)
        kept.pop(TRANSFORMATIONS, None)
        self.set_texts("annotations", kept)
