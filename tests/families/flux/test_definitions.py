"""The served definitions of Flux's kinds."""

from __future__ import annotations

import pytest

from trueup.app.families import definitions, families
from trueup.health.kstatus import judge

STATIC = {"Alert", "Provider", "ArtifactGenerator", "ExternalArtifact"}
"""Kinds whose status in Flux knows no observed generation, or that have none."""
FLUX = {d["spec"]["names"]["kind"]: d for d in definitions([f for f in families() if f.name == "flux"])}


@pytest.mark.parametrize("kind", sorted(set(FLUX) - STATIC))
def test_what_nobody_has_looked_at_yet_is_in_progress(kind: str) -> None:
    """A status says -1 until it is written, so that whoever waits for an object does not take silence for health."""
    for version in FLUX[kind]["spec"]["versions"]:
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"]
        new = {"kind": kind, "metadata": {"name": "new", "generation": 1}, "status": status}

        assert judge(new).status == "Progressing"
