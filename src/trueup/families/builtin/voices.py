"""Which of Kubernetes' components an event is from: each controller speaks under the name that it has there.

Wraps the family's controllers where they are listed. Source: kube-controller-manager, the ``EventSource`` of each controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from trueup.family import Controller, Result, Tools
from trueup.kube.names import Key, Object
from trueup.ports import Events

_NAMES = {
    "autoscaler": "horizontal-pod-autoscaler",
    "claim-protection": "pvc-protection-controller",
    "cronjob": "cronjob-controller",
    "daemonset": "daemonset-controller",
    "deployment": "deployment-controller",
    "disruption-budget": "controllermanager",
    "endpoints": "endpoint-controller",
    "ephemeral-volume": "ephemeral_volume",
    "job": "job-controller",
    "node-lifecycle": "node-controller",
    "replicaset": "replicaset-controller",
    "replicationcontroller": "replication-controller",
    "statefulset": "statefulset-controller",
    "volume": "persistentvolume-controller",
    "volume-claim": "persistentvolume-controller",
}
"""By the controller's name; those that are not listed tell nothing, or speak for the program."""


class Voice:
    """Events of one component."""

    __slots__ = ("_component", "_events")

    def __init__(self, events: Events, component: str) -> None:
        self._events, self._component = events, component

    def record(
        self,
        about: Object,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        annotations: Mapping[str, str] | None = None,
        component: str = "",
        field_path: str = "",
    ) -> None:
        """As the events that it passes on to."""
        named = component or self._component
        self._events.record(
            about, type, reason, message, annotations=annotations, component=named, field_path=field_path
        )


def voiced(controller: Controller) -> Controller:
    """The controller, speaking under its name."""
    component = _NAMES.get(controller.name)
    if component is None:
        return controller

    async def reconcile(tools: Tools, key: Key) -> Result:
        own = Tools(
            tools.client, tools.cache, Voice(tools.events, component), tools.clock, tools.live, memory=tools.memory
        )
        return await controller.reconcile(own, key)

    return replace(controller, reconcile=reconcile)
