"""The group batch. Pure. Source: ``pkg/registry/batch/job/strategy.go``."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.apiserver.strategies.core import counted
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object

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
    labels.update(
        {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
    )
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)  # read back from the store, a Job without labels has those of its pods


ROWS: Mapping[str, Strategy] = {
    "Job": Strategy(
        create=_new_job,
        selectable=frozenset({"status.successful"}),
        selected=counted,
        orphans=True,
        preserved=_PRESERVED,
    ),
}
