"""The group apiextensions.k8s.io: definitions are judged as they are written. Pure.

Source: apiextensions-apiserver ``pkg/registry/customresourcedefinition/strategy.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup.apiserver import crd_checks, crds
from trueup.apiserver.strategy import Moment, Strategy
from trueup.kube.names import Object
from trueup.kube.problems import Cause


def _check(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from crd_checks.wrong(obj)


def _accept(obj: Object, moment: Moment) -> None:
    if moment.subresource == "":
        crds.accept(obj, moment.now, moment.stored())


def _warnings(obj: Object, old: Object | None) -> Iterator[str]:
    unsupported = crds.not_carried_out(obj["spec"])
    if unsupported:
        yield f"{obj['metadata']['name']}: {unsupported}"


ROWS: Mapping[str, Strategy] = {
    "CustomResourceDefinition": Strategy(check=_check, canonical=_accept, warnings=_warnings),
}
