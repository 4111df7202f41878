"""Random walks of writes over one object: several appliers, editors and controllers, reproducible by their seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.conformance.sequences import Step, apply, changed, obj, patch, widget
from trueup.kube.names import Object, Ref

MANAGERS = ("m1", "m2", "m3")
STEPS = 30


class Walk:
    """Makes the steps of one walk."""

    def __init__(self, space: str, seed: int) -> None:
        self.space, self.random = space, random.Random(seed)

    def some(self, **parts: Callable[[], Any]) -> Object:
        """Any of the parts."""
        return {name: make() for name, make in parts.items() if self.random.random() < 0.55}

    def any_of(self, *values: Any) -> Any:
        """One of them."""
        return self.random.choice(values)

    def few(self, make: Callable[[Any], Any], keys: tuple[Any, ...]) -> list[Any]:
        """Items for some of the keys, in any order."""
        chosen = [key for key in keys if self.random.random() < 0.5]
        self.random.shuffle(chosen)
        return [make(key) for key in chosen]

    def texts(self) -> Object:
        """A small map."""
        return {key: self.any_of("1", "2", "") for key in "abc" if self.random.random() < 0.5}

    # --- a Deployment ---

    def container(self, name: str) -> Object:
        """A container with that name."""
        return {
            "name": name,
            "image": self.any_of("i:1", "i:2"),
            **self.some(
                env=lambda: self.few(lambda key: {"name": key, "value": self.any_of("x", "y", "")}, ("A", "B", "C")),
                ports=lambda: self.few(
                    lambda key: {"containerPort": key[0], **({"protocol": key[1]} if key[1] else {})},
                    ((80, ""), (80, "UDP"), (81, "TCP")),
                ),
                args=lambda: self.any_of(["a"], ["a", "b"], []),
                resources=lambda: self.some(
                    limits=lambda: {"cpu": self.any_of("1", "1000m", 1)}, requests=lambda: {"memory": "1Gi"}
                ),
                readinessProbe=lambda: {"httpGet": {"path": self.any_of("/a", "/b"), "port": self.any_of(80, "http")}},
                imagePullPolicy=lambda: self.any_of("Always", "IfNotPresent"),
            ),
        }

    def deployment(self) -> Object:
        """A part of a Deployment that may be applied; its selector is always there."""
        labels = {"app": "walk"}
        containers = self.few(self.container, ("one", "two", "three")) or [self.container("one")]
        pod = {
            "containers": containers,
            **self.some(
                volumes=lambda: self.few(lambda key: {"name": key, "emptyDir": {}}, ("v", "w")),
                tolerations=lambda: self.few(lambda key: {"key": key, "operator": "Exists"}, ("t", "u")),
                nodeSelector=self.texts,
                securityContext=lambda: self.some(runAsNonRoot=lambda: True, fsGroup=lambda: 7),
                hostAliases=lambda: self.few(lambda ip: {"ip": ip, "hostnames": ["h"]}, ("1.1.1.1", "2.2.2.2")),
                imagePullSecrets=lambda: self.few(lambda name: {"name": name}, ("s", "t")),
            ),
        }
        template = {"metadata": {"labels": labels, **self.some(annotations=self.texts)}, "spec": pod}
        made = obj("apps/v1", "Deployment", "walk", self.space)
        made["metadata"] |= self.some(
            labels=self.texts, annotations=self.texts, finalizers=lambda: self.few(lambda n: f"x.io/{n}", ("f", "g"))
        )
        made["spec"] = {
            "selector": {"matchLabels": labels},
            "template": template,
            **self.some(
                replicas=lambda: self.any_of(0, 1, 2),
                paused=lambda: self.any_of(True, False),
                strategy=lambda: self.any_of(
                    {"type": "Recreate"}, {"rollingUpdate": {"maxSurge": self.any_of(1, "50%")}}
                ),
            ),
        }
        return made

    def deployment_edits(self, ref: Ref) -> list[Step]:
        """What others than appliers do."""
        container = {
            "name": self.any_of("one", "two"),
            **self.some(image=lambda: "i:3", env=lambda: [{"name": "A", "value": "z"}]),
        }
        strategic = {"spec": {"template": {"spec": {"containers": [container]}}}}
        removed = {"containers": [{"$patch": "delete", "name": self.any_of("two", "three")}]}
        merged = {"metadata": {"labels": {"a": self.any_of("9", None)}}, "spec": {"replicas": 3}}
        return [
            ("strategic", patch(ref, strategic, "strategic", "hand")),
            ("strategic removes", patch(ref, {"spec": {"template": {"spec": removed}}}, "strategic", "hand")),
            ("merge", patch(ref, merged, "merge", "hand")),
            ("json", patch(ref, [{"op": "add", "path": "/metadata/annotations", "value": self.texts()}], "json", "jp")),
            ("scale", patch(ref, {"spec": {"replicas": self.any_of(4, 5)}}, "merge", "scaler", "scale")),
            ("status", patch(ref, {"status": {"replicas": self.any_of(1, 2)}}, "merge", "controller", "status")),
        ]

    # --- a custom object ---

    def widget(self) -> Object:
        """A part of a custom object that may be applied."""
        return widget(
            self.space,
            **self.some(
                size=lambda: self.any_of(1, 2),
                name=lambda: self.any_of("x", ""),
                flag=lambda: self.any_of(True, False),
                ports=lambda: self.few(
                    lambda port: {"port": port, **self.some(name=lambda: self.any_of("n", "m"))}, (1, 2, 3)
                ),
                tags=lambda: self.few(str, ("r", "s", "t")),
                any=lambda: self.any_of({"k": self.texts()}, {"k": [1, {"l": 2}], "o": None}, {}),
            ),
        )

    def widget_edits(self, ref: Ref) -> list[Step]:
        """What others than appliers do."""
        return [
            ("merge", patch(ref, {"spec": {"ports": [{"port": 2}], "name": self.any_of("y", None)}}, "merge", "hand")),
            ("json", patch(ref, [{"op": "add", "path": "/spec/tags", "value": ["q"]}], "json", "jp")),
            ("status", patch(ref, {"status": {"x": self.any_of("1", "2", None)}}, "merge", "controller", "status")),
        ]

    # --- the walk ---

    def step(self, make: Callable[[], Object], edits: Callable[[Ref], list[Step]]) -> Step:
        """One write."""
        wanted = make()
        ref = Ref.of(wanted)
        luck = self.random.random()
        manager = self.any_of(*MANAGERS)
        if luck < 0.5:
            return f"apply by {manager}", apply(wanted, manager)
        if luck < 0.6:
            return f"apply by {manager} without force", apply(wanted, manager, force=False)
        if luck < 0.65:
            return "dry run", apply(wanted, manager, dry_run=True)
        if luck < 0.75:
            return "update", changed(ref, self._overlaid(wanted), "upd")
        if luck < 0.78:
            return "managed fields lost", changed(ref, _forget, "upd")
        return self.any_of(*edits(ref))  # type: ignore[no-any-return]

    def _overlaid(self, wanted: Object) -> Callable[[Object], None]:
        def change(live: Object) -> None:
            live["spec"] = {**live.get("spec", {}), **wanted.get("spec", {})}
            live["metadata"]["annotations"] = self.texts_of(wanted)

        return change

    def texts_of(self, wanted: Object) -> Object:
        """Decided once, for both clusters."""
        return dict(wanted["metadata"].get("annotations") or {"u": "v"})


def _forget(live: Object) -> None:
    live["metadata"]["managedFields"] = [{}]


def walk(space: str, seed: int, what: str) -> list[Step]:
    """The steps: first an apply, then whatever comes."""
    made = Walk(space, seed)
    make, edits = (made.deployment, made.deployment_edits) if what == "deployment" else (made.widget, made.widget_edits)
    first = ("first apply", apply(make(), "m1"))
    return [first, *(made.step(make, edits) for _ in range(STEPS))]
