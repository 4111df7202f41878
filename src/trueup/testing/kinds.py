"""Kinds by the names that people give them. Pure; called by `cluster.py`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from trueup.kube.problems import NotFound
from trueup.ports import ResourceInfo


def find(name: str, served: Sequence[ResourceInfo]) -> ResourceInfo:
    """What a name means: ``deploy``, ``deployment``, ``deployments.apps``, ``Deployment`` or ``apps/v1/Deployment``.

    Where several groups serve it, the first that discovery lists, as with kubectl. Raises ``NotFound``.
    """
    api_version, _, kind = name.rpartition("/")
    word, _, group = name.partition(".")
    for info in served:
        if api_version:
            if (info.kind.api_version, info.kind.kind) == (api_version, kind):
                return info
        elif (not group or group in (info.resource.group, f"{info.resource.version}.{info.resource.group}")) and (
            word.lower() in (info.resource.name, info.singular, info.kind.kind.lower(), *info.short_names)
        ):
            return info
    known = {info.singular or info.kind.kind.lower() for info in served} | {info.resource.name for info in served}
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.8)
    hint = f'did you mean "{near[0]}"?' if near and not api_version else "install its CustomResourceDefinition first"
    raise NotFound(f'the cluster does not serve "{name}": {hint}')
