"""The group apps. Pure. Source: ``pkg/registry/apps``; apps/v1 conversion of ``templateGeneration``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from trueup.apiserver.strategies.core import of_new_template, of_template
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.objects import same
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import invalid, not_negative, required
from trueup.kube.validation.pod_warnings import claim_sizes

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_TEMPLATES = "deprecated.daemonset.template.generation"


def _changed_deployment(obj: Object, old: Object, moment: Moment) -> None:
    """Annotations are copied to ReplicaSets: a change of them counts like one of the spec."""
    before, now = (one["metadata"].get("annotations") or {} for one in (old, obj))
    if moment.subresource != "status" and before != now:
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _new_daemon_set(obj: Object, moment: Moment) -> None:
    _count_templates(obj, max(_templates(obj), 1))


def _changed_daemon_set(obj: Object, old: Object, moment: Moment) -> None:
    count = _templates(old)
    _count_templates(obj, count + (old["spec"].get("template") != obj["spec"].get("template")))


def _templates(obj: Object) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(_TEMPLATES) or 0)


def _read_daemon_set(obj: Object) -> str:
    """Why its count cannot be read, if it cannot."""
    given = ((obj.get("metadata") or {}).get("annotations") or {}).get(_TEMPLATES)
    if given is None or _NUMBER.fullmatch(given):
        return ""
    return f'strconv.ParseInt: parsing "{given}": invalid syntax'


def _count_templates(obj: Object, count: int) -> None:
    """The templates that a DaemonSet has had."""
    meta = obj["metadata"]
    meta["annotations"] = {**(meta.get("annotations") or {}), _TEMPLATES: str(count)}


def _stateful_warnings(new: Object, old: Object | None) -> Iterator[str]:
    yield from of_template(new, old)
    spec = new.get("spec") or {}
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        # Kubernetes leaves ``spec`` out of the path.
        yield from claim_sizes(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]")
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        text = "a negative value retains all historical revisions; a value >= 0 is recommended"
        yield f"spec.revisionHistoryLimit: {text}"


def _same_data(obj: Object, old: Object | None) -> Iterator[Cause]:
    """It holds an object, and the same for ever. Source: ``ValidateControllerRevisionCreate`` and ``…Update``."""
    yield from not_negative("revision", obj.get("revision"))
    data = obj.get("data")
    if old is not None and not same(data, old.get("data")):
        yield invalid("data", data, "field is immutable")
    if old is None and not isinstance(data, dict):
        yield required("data", "data is mandatory" if data is None else "data must be a valid JSON object")


ROWS: Mapping[str, Strategy] = {
    "ControllerRevision": Strategy(counts_generations=False, check=_same_data),
    "DaemonSet": Strategy(
        read=_read_daemon_set, create=_new_daemon_set, update=_changed_daemon_set, warnings=of_new_template
    ),
    "Deployment": Strategy(update=_changed_deployment, warnings=of_template),
    "ReplicaSet": Strategy(warnings=of_template),
    "StatefulSet": Strategy(warnings=_stateful_warnings),
}
