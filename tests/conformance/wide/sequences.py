"""A random sequence of calls about one or two objects, reproducible by its seed.

The runner puts it to two servers. In one half of the sequences most calls are allowed; in the other about two of five, the others
being refused in as many ways as there are.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.conformance.wide import sound
from tests.conformance.wide.calls import APPLY, JSON, MERGE, STRATEGIC, Call, Json
from tests.conformance.wide.objects import bases
from tests.conformance.wide.surface import Resource, Surface
from tests.conformance.wide.values import TEXTS, Values, unknown

MANAGERS = ("m1", "m2", "m3", "")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIALS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
COVERED = frozenset({"Ruled", "Valued", "Listed", "Versioned", "Wide", "ConfigMap", "Role", "ClusterRole", "Lease"})
"""Kinds any field of which may get any value; of others only such as are of the wrong type, or unknown."""


class Sequence:
    """Makes the calls of one seed."""

    def __init__(self, seed: int, space: str, served: Surface, only: str = "") -> None:
        self.seed = seed
        self.chance, self.space, self.served = random.Random(seed), space, served
        found = [base for base in bases(space) if (base["apiVersion"], base["kind"]) in served]
        if only:
            found = [base for base in found if base["kind"] in only.split(",")]
        self.base = self.any_of(found)
        self.resource: Resource = served[self.base["apiVersion"], self.base["kind"]]
        self.values = Values(self.chance, self.resource.schemas)
        self.collection = self.resource.collection(space)
        self.name = self.base["metadata"]["name"]
        self.path = f"{self.collection}/{self.name}"
        self.sound = self.chance.random() < 0.5
        """Whether its changes are such as are allowed, for what is refused never comes to be stored and merged."""
        self.wild = self.chance.random() < 0.75
        self.named = 0

    def any_of(self, values: Any) -> Any:
        """One of them, to be kept."""
        found = self.chance.choice(values)
        return copy.deepcopy(found) if isinstance(found, dict | list) else found

    def luck(self, odds: float) -> bool:
        """Whether it happens."""
        return self.chance.random() < odds

    # --- objects ---

    def object(self, changes: int | None = None) -> Json:
        """The object as a client might write it: valid, or changed in a place or three."""
        made: Json = copy.deepcopy(self.base)
        if self.sound and self.luck(0.9):
            for _ in range(self.any_of((0, 1, 1, 2, 3)) if changes is None else changes):
                self.values.touched.add(sound.change(self.chance, made))
            return made
        if changes is None:
            changes = self.any_of((0, 0, 1, 1, 2, 3)) if self.wild else self.any_of((0, 0, 0, 1))
        if self.base["kind"] not in COVERED:
            changes = min(changes, 1)  # which of two wrong types is told is chance
        for _ in range(changes):
            self.alter(made)
        return made

    def alter(self, value: Json) -> str:
        """One change: of its metadata, or of whatever else it has."""
        if self.sound and self.luck(0.9):
            self.values.touched.add(path := sound.change(self.chance, value, removes=True))
            return path
        if self.luck(0.2):
            return self._metadata(value)
        roots = tuple(key for key in self.values.resolved(self.resource.schema).get("properties", {}) if key not in
                      ("apiVersion", "kind", "metadata", "status", "aggregationRule"))  # fmt: skip
        return self.values.change(value, self.resource.schema, roots, typed=self.base["kind"] not in COVERED)

    def _metadata(self, value: Json) -> str:
        metadata = value.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            return ""
        what = self.any_of(("labels", "annotations", "finalizers", "ownerReferences", "labels", "annotations", "odd"))
        self.values.touched.add(f"metadata.{what}")
        match what:
            case "labels" | "annotations":
                metadata[what] = {
                    **(metadata.get(what) or {}),
                    self.any_of(("a", "b", "x.io/c", "Bad Key", "-k")): self.any_of(TEXTS),
                }
            case "finalizers":
                metadata[what] = self.any_of((["x.io/f"], ["x.io/f", "x.io/g"], ["bad"], [], ["x.io/g"], ["Bad F"]))
            case "ownerReferences":
                owner = {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": "o",
                    "uid": "0b4c1a8e-5f5c-4c0c-9d3b-1e2c3d4e5f60",
                }
                bad = {**owner, self.any_of(("apiVersion", "kind", "name", "uid")): ""}
                also = {**owner, "controller": True}
                metadata[what] = self.any_of(
                    (
                        [owner],
                        [also],
                        [bad],
                        [also, {**also, "uid": "other"}],
                        [],
                        [{**owner, "blockOwnerDeletion": True}],
                    )
                )
            case _:
                key = self.any_of(
                    ("name", "namespace", "generateName", "bogus", "creationTimestamp", "selfLink", "generation")
                )
                metadata[key] = self.any_of(("Bad_Name", "other", "", 5, None))
        return f"metadata.{what}"

    # --- calls ---

    def calls(self, count: int) -> list[Call]:
        """The whole sequence: first what makes the object, mostly."""
        first = self.any_of((self.create, self.create, self.apply, self.apply))
        made = [self._counted(first(self.object(0 if self.luck(0.7) else None)))]
        while len(made) < count:
            again = self.sound and made[-1].method == "DELETE" and self.luck(0.8)
            again = again or (self.sound and self.luck(0.12))
            made.append(self._counted(first(self.object()) if again else self.next()))
        return made

    def _counted(self, call: Call) -> Call:
        if call.method in ("POST", "PUT", "PATCH") and "fieldValidation" not in call.query and self.luck(0.25):
            ways = ("Strict", "Warn", "Ignore", "Strict", "bad")
            call.query = {**call.query, "fieldValidation": self.any_of(ways[:4] if self.sound else ways)}
        if call.method != "GET" and self.luck(0.06):
            call.query = {**call.query, "dryRun": self.any_of(("All", "All", "All" if self.sound else "bad"))}
        return call

    def next(self) -> Call:
        """Whatever comes."""
        makers = (
            (5, lambda: self.create(self.object())),
            (16, lambda: self.apply(self.object())),
            (12, self.update),
            (12, self.merge),
            (8, self.json),
            (8, self.strategic),
            (8, self.sub),
            (5, self.get),
            (6, self.list),
            (7, self.delete),
            (2, self.generated),
            (1 if self.sound else 4, self.raw),
            (2, self.delete_collection),
            (1 if self.sound else 3, self.lost),
        )
        return self.chance.choices([maker for _, maker in makers], [weight for weight, _ in makers])[0]()

    def manager(self) -> dict[str, str]:
        """Who writes."""
        manager = self.any_of(MANAGERS)
        return {"fieldManager": manager} if manager else {}

    def create(self, made: Json) -> Call:
        """Create it."""
        if self.luck(0.08):
            unknown(self.chance, made)
        return Call("create", "POST", self.collection, self.manager(), made, self.path)

    def generated(self) -> Call:
        """A name is made by the server."""
        made = self.object()
        self.named += 1  # so that those of one sequence stand in one order, whatever their names end in
        leads = (f"{self.named}gen-", f"{self.named}gen-", "Bad_", "x" * 60)
        if self.base["kind"] == "Service":
            leads = (f"g{self.named}gen-", *leads[1:])
        made["metadata"] = {**made["metadata"], "generateName": self.any_of(leads[:2] if self.sound else leads)}
        made["metadata"].pop("name", None)
        return Call("generate", "POST", self.collection, {}, made)

    def apply(self, made: Json) -> Call:
        """Server-side apply."""
        query = {"fieldManager": self.any_of(MANAGERS[:3])}
        if self.luck(0.5):
            query["force"] = self.any_of(("true", "true", "false"))
        if self.luck(0.03):
            query = {}
        if self.luck(0.06):
            unknown(self.chance, made)
        if self.luck(0.05):
            made["metadata"]["managedFields"] = [{}]
        if self.luck(0.1):
            made.get("metadata", {})["uid"] = "{uid}"
        return Call("apply", "PATCH", self.path, query, made, self.path, content=APPLY)

    def update(self) -> Call:
        """Read, changed, written back; or written without having been read."""
        luck = self.chance.random()
        seed = self.chance.random()
        if luck < 0.25:
            made = self.object()
            version = self.any_of(("{version}", "1", "", "bad"))
            if version:
                made["metadata"]["resourceVersion"] = version
            if self.luck(0.1):
                made["metadata"]["uid"] = self.any_of(("{uid}", "0b4c1a8e-5f5c-4c0c-9d3b-1e2c3d4e5f60"))
            return Call("update blindly", "PUT", self.path, self.manager(), made, self.path)
        how = self.any_of(("alter", "alter", "alter", "same", "forget", "less"))

        def change(live: Json) -> None:
            chance, self.chance, self.values.chance = self.chance, random.Random(seed), random.Random(seed)
            match how:
                case "alter":
                    self.alter(live)
                    if "managedFields" in (live.get("metadata") or {}) and seed < 0.3:
                        del live["metadata"]["managedFields"]
                case "forget":
                    live["metadata"]["managedFields"] = [{}] if seed < 0.5 else []
                case "less":
                    for key in ("resourceVersion", "uid", "creationTimestamp", "generation"):
                        live["metadata"].pop(key, None)
                    if seed < 0.5:
                        live["metadata"].pop("managedFields", None)
                case _:
                    pass
            self.chance = self.values.chance = chance

        return Call(f"update ({how})", "PUT", self.path, self.manager(), None, self.path, change)

    def part(self) -> Json:
        """Some of the object, changed: what a merge would be told."""
        made = self.object(self.any_of((1, 1, 2)))
        if self.luck(0.7):
            made["metadata"] = (
                {key: value for key, value in made["metadata"].items() if key not in ("name", "namespace")}
                if isinstance(made.get("metadata"), dict)
                else {}
            )
            for key in ("apiVersion", "kind"):
                made.pop(key, None)
        if self.luck(0.15):
            made.setdefault("metadata", {})["resourceVersion"] = self.any_of(("{version}", "1"))
        if self.luck(0.06):
            unknown(self.chance, made)
        return made

    def merge(self) -> Call:
        """A merge patch."""
        return Call("merge", "PATCH", self.path, self.manager(), self.part(), self.path, content=MERGE)

    def strategic(self) -> Call:
        """A strategic merge patch, sometimes with its directives."""
        made = self.part()
        if self.luck(0.3):
            for place, schema, path in list(self.values.places(made, self.resource.schema)):
                if isinstance(place, list) and place and isinstance(place[0], dict) and self.luck(0.5):
                    if self.luck(0.5):
                        place.append({"$patch": "replace"})
                    else:
                        place[0] = {**place[0], "$patch": self.any_of(("delete", "delete", "bad", "merge"))}
                elif (
                    isinstance(place, dict)
                    and schema.get("properties")
                    and path
                    and path != ".metadata"
                    and self.luck(0.1)
                ):
                    place["$patch"] = self.any_of(("replace", "delete", "merge"))
        return Call("strategic", "PATCH", self.path, self.manager(), made, self.path, content=STRATEGIC)

    def json(self) -> Call:
        """A JSON patch of one to three steps."""
        return Call("json", "PATCH", self.path, self.manager(), [self._step() for _ in range(self.any_of((1, 1, 2, 3)))],
                    self.path, content=JSON)  # fmt: skip

    def _step(self) -> Json:
        made = self.object(1)
        pointers = [(at, value) for at, value in _pointers(made) if at not in ("/apiVersion", "/kind", "/metadata")]
        pointer, value = self.any_of(pointers)
        how = self.any_of(("add", "add", "replace", "replace", "remove", "test", "copy", "move", "bad"))
        pointer = pointer if self.luck(0.85) else pointer + self.any_of(("/-", "/0", "/99", "/x", "/"))
        step: Json = {"op": how, "path": pointer}
        if how in ("add", "replace", "test"):
            step["value"] = value if self.luck(0.7) else self.any_of(("x", 1, None, {}, []))
        if how in ("copy", "move"):
            step["from"] = self.any_of(pointers)[0]
        return step

    def sub(self) -> Call:
        """A subresource: status, scale, or one that is not there."""
        parts = sorted(
            self.resource.subresources & {"status", "scale", "approval", "resize", "ephemeralcontainers"}
        ) or ["status"]
        part = self.any_of(parts)
        path = f"{self.path}/{part}"
        if self.luck(0.15):
            return Call(f"get {part}", "GET", path, {}, None, self.path)
        if part == "scale":
            size = self.any_of((0, 1, 3, -1, "x", None))
            if self.luck(0.5):
                return Call(
                    "scale", "PATCH", path, self.manager(), {"spec": {"replicas": size}}, self.path, content=MERGE
                )
            made = {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {"name": self.name, "namespace": self.space},
            }
            return Call("put scale", "PUT", path, self.manager(), {**made, "spec": {"replicas": size}}, self.path)
        made = self.object(0)
        root = "spec" if part in ("resize", "ephemeralcontainers") else "status"
        for _ in range(self.any_of((1, 1, 2))):
            self.values.change(made, self.resource.schema, (root,), typed=self.base["kind"] not in COVERED)
        if self.luck(0.2):
            self.alter(made)
        if self.luck(0.4):
            return Call(
                f"{part} merge", "PATCH", path, self.manager(), {"status": made.get("status")}, self.path, content=MERGE
            )
        if self.luck(0.3):
            return Call(
                f"{part} apply", "PATCH", path, {"fieldManager": "st", "force": "true"}, made, self.path, content=APPLY
            )
        wanted = made.get("status")

        def change(live: Json) -> None:
            live["status"] = wanted

        return Call(f"{part} update", "PUT", path, self.manager(), None, self.path, change)

    def get(self) -> Call:
        """Read it."""
        path = (
            self.path
            if self.luck(0.8)
            else self.any_of((f"{self.path}-not", f"{self.collection}/Bad_Name", f"{self.path}/none"))
        )
        query = self.any_of(({}, {}, {"resourceVersion": "0"}, {"resourceVersion": "bad"}))
        return Call(
            "get",
            "GET",
            path,
            query,
            None,
            self.path,
            accept=self.any_of(("application/json", TABLE, PARTIAL, "text/none")),
        )

    def list(self) -> Call:
        """Read a page of them. What lives in no namespace is picked by its name, for others are there too."""
        mine = {"fieldSelector": f"metadata.name={self.name}"}
        query: dict[str, str] = {} if self.resource.namespaced else mine
        if self.luck(0.4):
            query["labelSelector"] = self.any_of(
                ("a=1", "a in (1,2)", "!a", "a!=web", "=bad", "a in ()", "b,a", "a notin (1)", "a>5", "a,,b")
            )
        if self.luck(0.3):
            query["fieldSelector"] = (
                self.any_of(
                    (
                        mine["fieldSelector"],
                        f"metadata.name!={self.name}",
                        "spec.nodeName=",
                        "bogus=1",
                        "status.phase=x",
                        "type=Opaque",
                        "spec.colour=red",
                        "==",
                    )
                )
                if self.resource.namespaced
                else mine["fieldSelector"]
            )
        if self.luck(0.2):
            query["limit"] = self.any_of(("1", "0", "-1", "x", "500"))
        if self.luck(0.1):
            query |= self.any_of(
                (
                    {"resourceVersion": "x", "resourceVersionMatch": "Exact"},  # an old one is forgotten at any time
                    {"resourceVersionMatch": "NotOlderThan"},
                    {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
                    {"resourceVersionMatch": "bad", "resourceVersion": "1"},
                    {"continue": "bad"},
                    {"timeoutSeconds": "x"},
                )
            )
        return Call(
            "list",
            "GET",
            self.collection,
            query,
            None,
            "",
            accept=self.any_of(("application/json", "application/json", TABLE, PARTIALS)),
        )

    def delete(self) -> Call:
        """Delete it; with options of all kinds."""
        luck = self.chance.random()
        if luck < 0.4:
            query = self.any_of(
                (
                    {},
                    {"propagationPolicy": "Background"},
                    {"propagationPolicy": "Orphan"},
                    {"propagationPolicy": "bad"},
                    {"gracePeriodSeconds": "0"},
                    {"orphanDependents": "true", "propagationPolicy": "Orphan"},
                    {"gracePeriodSeconds": "x"},
                    {"propagationPolicy": "Foreground"},
                )
            )
            return Call("delete", "DELETE", self.path, query, None, self.path)
        options: Json = {"apiVersion": self.any_of(("v1", "meta.k8s.io/v1")), "kind": "DeleteOptions"}
        if self.luck(0.4):
            options["preconditions"] = self.any_of(
                (
                    {"uid": "{uid}"},
                    {"resourceVersion": "{version}"},
                    {"resourceVersion": "1"},
                    {"uid": "0b4c1a8e-5f5c-4c0c-9d3b-1e2c3d4e5f60"},
                )
            )
        if self.luck(0.4):
            options["propagationPolicy"] = self.any_of(("Background", "Orphan", "Foreground", "bad", 5))
        if self.luck(0.2):
            options["gracePeriodSeconds"] = self.any_of((0, 5, -1, "x"))
        if self.luck(0.1):
            options["dryRun"] = self.any_of((["All"], ["bad"]))
        return Call("delete with options", "DELETE", self.path, {}, options, self.path)

    def delete_collection(self) -> Call:
        """Delete those that match."""
        query = {"labelSelector": self.any_of(("a=1", "a=web", "none=x", "a"))}
        if self.luck(0.5) or not self.resource.namespaced:
            query["fieldSelector"] = f"metadata.name={self.name}"
        return Call("delete collection", "DELETE", self.collection, query)

    def raw(self) -> Call:
        """Bytes that are no good object."""
        whole = json.dumps(self.object(0))
        bad: tuple[Any, ...] = (
            b"", b"{", b"[]", b"null", b'"x"', b"5", b"{}", b"true", b'{"kind":"Bogus","apiVersion":"v1"}',
            whole.replace('"metadata":', '"metadata": {"name": "twice"}, "metadata":', 1).encode(),
            whole.replace('"kind":', '"kind": "X", "kind":', 1).encode(),
            whole[:-1].encode(), (whole + "x").encode(), whole.replace('"apiVersion":', '"ApiVersion":', 1).encode(),
            json.dumps({**self.base, "apiVersion": "v9"}).encode(), json.dumps({**self.base, "kind": "Other"}).encode(),
            json.dumps({**self.base, "metadata": None}).encode(), json.dumps({**self.base, "metadata": []}).encode(),
            json.dumps({**self.base, "metadata": {}}).encode(), json.dumps({**self.base, "kind": None}).encode(),
            json.dumps({**self.base, "apiVersion": 1}).encode(), json.dumps({**self.base, "spec": "x"}).encode(),
            whole.replace('"name":', '"Name":', 1).encode(),
        )  # fmt: skip
        body = self.any_of(bad)
        method, content = self.any_of(
            (
                *(("POST", form) for form in ("application/json", "application/yaml", "text/plain")),
                *(("PATCH", form) for form in (MERGE, JSON, APPLY, STRATEGIC, "application/json", "text/plain")),
                ("PUT", "application/json"),
            )
        )
        query = {"fieldManager": "m1"} if content == APPLY else {}
        return Call(
            "raw", method, self.collection if method == "POST" else self.path, query, body, self.path, content=content
        )

    def lost(self) -> Call:
        """What no path, verb or namespace answers."""
        missing = self.collection.replace(self.space, f"{self.space}-not")
        wrong = self.object(0)
        return self.any_of(  # type: ignore[no-any-return]
            (
                Call("no such namespace", "POST", missing, {}, {**wrong, "metadata": {"name": self.name}}),
                Call("wrong namespace", "POST", missing, {}, wrong),
                Call("wrong name", "PUT", f"{self.path}-x", {}, wrong),
                Call("no such verb", "PUT", self.collection, {}, wrong),
                Call("post to one", "POST", self.path, {}, wrong),
                Call("nobody", "DELETE", f"{self.path}-x"),
                Call("bad manager", "POST", self.collection, {"fieldManager": "x" * 129}, wrong),
                Call(
                    "bad manager text",
                    "PATCH",
                    self.path,
                    {"fieldManager": "a\u0001b"},
                    {"metadata": {"labels": {"a": "1"}}},
                    content=MERGE,
                ),
                Call(
                    "force without apply",
                    "PATCH",
                    self.path,
                    {"force": "true"},
                    {"metadata": {"labels": {"a": "1"}}},
                    content=MERGE,
                ),
                Call("no such kind", "GET", f"{self.collection}s"),
            )
        )


def _pointers(value: Any, at: str = "") -> Any:
    if at:
        yield at, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _pointers(inner, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _pointers(inner, f"{at}/{index}")
