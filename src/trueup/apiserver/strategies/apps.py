"""The group apps. Pure. Source: ``pkg/registry/apps``; apps/v1 conversion of ``templateGeneration``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup.apiserver.strategies.core import of_template
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation.causes import invalid
from trueup.kube.validation.pod_warnings import claim_sizes

_TEMPLATES = "deprecated.daemonset.template.generation"


def _changed_deployment(obj: Object, old: Object, moment: Moment) -> None:
    """Annotations are copied to ReplicaSets: a change of them counts like one of the spec."""
    before, now = (one["metadata"].get("annotations") or {} for one in (old, obj))
    if moment.subresource != "status" and before != now:
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _new_daemon_set(obj: Object, moment: Moment) -> None:
    _count_templates(obj, 1)


def _changed_daemon_set(obj: Object, old: Object, moment: Moment) -> None:
    if moment.subresource != "":
        return
    count = int((old["metadata"].get("annotations") or {}).get(_TEMPLATES) or 0)
    _count_templates(obj, count + (old["spec"].get("template") != obj["spec"].get("template")))


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
    """What a revision holds never changes. Source: ``ValidateControllerRevisionUpdate``."""
    if old is not None and obj.get("data") != old.get("data"):
        yield invalid("data", obj.get("data"), "field is immutable")


ROWS: Mapping[str, Strategy] = {
    "ControllerRevision": Strategy(counts_generations=False, check=_same_data),
    "DaemonSet": Strategy(create=_new_daemon_set, update=_changed_daemon_set, warnings=of_template),
    "Deployment": Strategy(update=_changed_deployment, warnings=of_template),
    "ReplicaSet": Strategy(warnings=of_template),
    "StatefulSet": Strategy(warnings=_stateful_warnings),
}
