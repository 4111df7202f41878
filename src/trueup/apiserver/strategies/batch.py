"""The group batch. Pure. Source: ``pkg/registry/batch/job/strategy.go``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup.apiserver.strategies.core import counted
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import job_updates

_PRESERVED = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)


def _new_job(obj: Object, moment: Moment) -> None:
    """A Job's selector and its pods' labels come from its own identity, unless it says otherwise."""
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return
    meta = obj["metadata"]
    uid, name = meta["uid"], meta.get("name") or ""
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    for label, value in (("controller-uid", uid), ("job-name", name)):
        for lead in ("batch.kubernetes.io/", ""):  # what is there already and is wrong the check refuses
            labels.setdefault(f"{lead}{label}", value)
    selector = spec["selector"] = dict(spec.get("selector") or {})
    selector["matchLabels"] = {"batch.kubernetes.io/controller-uid": uid, **(selector.get("matchLabels") or {})}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)  # read back from the store, a Job without labels has those of its pods


def _selects_its_own(obj: Object, old: Object | None) -> Iterator[Cause]:
    return job_updates.own_labels(obj, obj) if old is None else iter(())


ROWS: Mapping[str, Strategy] = {
    "Job": Strategy(
        create=_new_job,
        check=_selects_its_own,
        selectable=frozenset({"status.successful"}),
        selected=counted,
        orphans=True,
        preserved=_PRESERVED,
    ),
}
