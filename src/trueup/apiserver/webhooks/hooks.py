"""The stored webhooks of one kind of configuration, ready to be matched. Used by both plugins.

Source: apiserver ``admission/configuration/*_webhook_manager.go`` and ``admission/plugin/webhook/accessors.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.apiserver.admission.plugin import forbidden
from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.asked import Asked, Matcher
from trueup.apiserver.policies.expressions import (
    CONDITIONS_BUDGET,
    Composed,
    Expression,
    OutOfBudget,
    Values,
    bindings,
    compiled,
    conditions_hold,
    each,
    environment,
)
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.scaling import scale_of, scale_paths, with_replicas
from trueup.cel import CelError
from trueup.cel.types import BOOL
from trueup.kube.names import Object
from trueup.store.state import Event

GROUP = "admissionregistration.k8s.io"
EXEMPT = frozenset(
    f"{name}.{GROUP}"
    for name in (
        "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
        "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
    )
)  # fmt: skip
"""What no webhook is asked about: it could lock everybody out of mending it."""


@dataclass(slots=True, eq=False)
class Hook:
    """One webhook of a configuration."""

    name: str
    configuration: str
    spec: Mapping[str, Any]
    constraints: Mapping[str, Any]
    conditions: Sequence[Expression]

    @property
    def ignorable(self) -> bool:
        """Whether a write goes on when it cannot be asked."""
        return self.spec.get("failurePolicy") == "Ignore"

    @property
    def seconds(self) -> int:
        """How long it may take."""
        return int(self.spec.get("timeoutSeconds") or 10)

    @property
    def knows_dry_run(self) -> bool:
        """Whether it can be asked about what will not happen."""
        return self.spec.get("sideEffects") in ("None", "NoneOnDryRun")


class Hooks:
    """The webhooks of all configurations of one kind: in the order of the configurations' names, then as listed."""

    def __init__(self, hub: Hub, resource: str) -> None:
        self._hub = hub
        self._matcher = Matcher(hub.store, hub.registry)
        self._stored = hub.store.bucket(f"{resource}.{GROUP}")
        self._known: list[Hook] | None = None
        self._stored.listeners.append(self._hear)

    def _hear(self, event: Event) -> None:
        self._known = None

    def all(self) -> list[Hook]:
        """Every webhook."""
        if self._known is None:
            stored = sorted((entry.obj for *_, entry in self._stored.scan()), key=lambda obj: obj["metadata"]["name"])
            self._known = [_hook(obj["metadata"]["name"], spec) for obj in stored for spec in obj.get("webhooks") or ()]
        return self._known

    async def matched(self, hook: Hook, asked: Asked) -> tuple[Served, Asked] | None:
        """As which version the webhook wants to see the write, and the write so; None where it is not meant.

        Raises ``Forbidden`` where its conditions cannot be judged and it may not be passed over.
        """
        if not hook.constraints["resourceRules"]:
            return None
        served = self._matcher.match(hook.constraints, asked)
        if served is None:
            return None
        seen = await self._as_version(asked, served)
        if hook.conditions:
            given = bindings(seen, served, None, None, self._hub.authorizer)
            try:
                values = Values(given, Composed(), CONDITIONS_BUDGET)
                if not conditions_hold(values, hook.conditions, not hook.ignorable):
                    return None
            except (CelError, OutOfBudget) as error:
                raise forbidden(asked.served, asked.obj or asked.old or {}, str(error)) from None
        return served, seen

    async def _as_version(self, asked: Asked, served: Served) -> Asked:
        scaling = is_scale(served, asked.write)
        if not scaling and (served is asked.served or is_part(served, asked.write)):
            return asked

        async def seen(obj: Object | None) -> Object | None:
            if obj is None:
                return None
            shown = await self._hub.converted(served, obj)
            return scale_of(shown, scale_paths(served)) if scaling else shown

        return Asked(asked.served, asked.operation, await seen(asked.obj), await seen(asked.old), asked.write)


def is_scale(served: Served, write: Write) -> bool:
    """Whether what is written is an object's Scale."""
    return write.subresource == "scale" and "scale" in served.subresources


def is_part(served: Served, write: Write) -> bool:
    """Whether what is written is of another kind than the object that it is part of: a Scale, a Binding."""
    sub = served.subresources.get(write.subresource)
    return sub is not None and sub.kind != served.kind


def scaled_back(served: Served, obj: Object, scale: Object) -> Object:
    """The object with the replicas that its Scale says by now."""
    return with_replicas(obj, scale_paths(served)[0], (scale.get("spec") or {}).get("replicas", 0))


def _hook(configuration: str, spec: Mapping[str, Any]) -> Hook:
    known = environment(False, authorizer=True, patches=False)
    wanted = ("namespaceSelector", "objectSelector", "matchPolicy")
    return Hook(
        name=str(spec.get("name") or ""),
        configuration=configuration,
        spec=spec,
        constraints={**{name: spec.get(name) for name in wanted}, "resourceRules": spec.get("rules") or ()},
        conditions=[compiled(str(one.get("expression")), known, BOOL) for one in each(spec, "matchConditions")],
    )
