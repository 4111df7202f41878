"""Endpoints into slices of a hundred: each stays in the slice that it is in. Called by `endpoints`.

The endpoints of a Service and the slices that there are come in, the slices as they ought to be leave. Source:
``k8s.io/endpointslice``, ``reconcileByPortMapping``; kube-controller-manager ``--max-endpoints-per-slice``.
"""

from collections.abc import Sequence

from trueup.families.builtin.tools import short_hash
from trueup.kube.names import Object
from trueup.kube.objects import meta, uid

FULL = 100
"""Endpoints of one slice."""


class Names:
    """Names for slices: those of slices that are of no use any more, then new ones, the same whenever it is tried again."""

    def __init__(self, service: Object, spare: Sequence[str], taken: Sequence[str]) -> None:
        self._service = service
        self._spare = list(spare)
        self._taken = set(taken)

    def take(self) -> str:
        """One that no other slice of the Service has."""
        if self._spare:
            return self._spare.pop(0)
        name, mark, number = meta(self._service)["name"], uid(self._service)[:5], 0
        while (made := f"{name}-{mark}") in self._taken:
            number += 1
            mark = short_hash([uid(self._service), number], 5)
        self._taken.add(made)
        return made


def spread(found: Sequence[Object], there: Sequence[Object], names: Names) -> dict[str, list[Object]]:
    """Endpoints of the same ports by the names of slices. ``there``: the slices of these ports."""
    wanted = {_key(one): one for one in found}
    held: dict[str, list[Object]] = {}
    changed: set[str] = set()
    for one in there:
        name, had = str(meta(one)["name"]), one.get("endpoints") or []
        held[name] = [wanted.pop(key) for each in had if (key := _key(each)) in wanted]
        if held[name] != had:
            changed.add(name)
    left = list(wanted.values())
    for name in sorted(changed, key=lambda name: (-len(held[name]), name)):
        left = _fill(held[name], left) if held[name] else left
    while left:
        room = [name for name in held if name not in changed and len(held[name]) + len(left) <= FULL]
        name = max(room, key=lambda name: len(held[name]), default="") or names.take()
        changed.add(name)
        left = _fill(held.setdefault(name, []), left)
    return {name: endpoints for name, endpoints in held.items() if endpoints}


def _fill(held: list[Object], left: list[Object]) -> list[Object]:
    """Put in as many as there is room for; the others."""
    room = FULL - len(held)
    held += left[:room]
    return left[room:]


def _key(endpoint: Object) -> tuple[str, str]:
    return str((endpoint.get("targetRef") or {}).get("uid") or ""), str(endpoint["addresses"][0])
