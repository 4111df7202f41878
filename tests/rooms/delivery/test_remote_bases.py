"""Bases in other repositories reach a render through the fetcher."""

from pathlib import Path
from typing import Any, cast

from trueup.delivery.pipeline import Delivery
from trueup.delivery.request import SourceRequest
from trueup.ports import Artifact, GitSpec, Target
from trueup.render.render import Render
from trueup.source.tree import DirTree

APP = "resources: [https://git.example.com/team/base//web?ref=v1, https://other.example.com/x/y//web]\n"
WEB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-%s}\n"


class Repositories:
    """Answers every URL by the folder of its host, and remembers what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []  # type: ignore[var-annotated]

    async def fetch(self, spec: GitSpec, revision: str = "") -> Artifact:
        """The folder as an artifact."""
        self.asked.append((spec.url, spec.ref, dict(spec.secret)))
        return Artifact("0" * 40, spec.ref, DirTree(self.root / spec.url.split("/")[2]))


async def test_remote_bases_are_fetched(tmp_path: Path) -> None:
    """By their revision, with the source's credentials on its own host and none elsewhere."""
    for host in ("git.example.com", "other.example.com"):
        (tmp_path / host / "web").mkdir(parents=True)
        (tmp_path / host / "web" / "kustomization.yaml").write_text("resources: [map.yaml]\n")
        (tmp_path / host / "web" / "map.yaml").write_text(WEB % host.partition(".")[0])
    (tmp_path / "git.example.com" / "app").mkdir()
    (tmp_path / "git.example.com" / "app" / "kustomization.yaml").write_text(APP)
    secret = {"password": b"p"}
    repositories, renderer = Repositories(tmp_path), Render(tmp_path / "render", workers=1)
    nobody = cast(Any, None)
    delivery = Delivery(nobody, cast(Any, repositories), renderer, nobody, nobody, nobody)
    try:
        source = SourceRequest(GitSpec("https://git.example.com/team/app.git", secret=secret), "app")
        desired = await delivery.desire([source], Target("v1.36.0", (), "default"))
    finally:
        renderer.close()
    expected = {
        ("https://git.example.com/team/app.git", "HEAD", True),
        ("https://git.example.com/team/base", "v1", True),
        ("https://other.example.com/x/y", "HEAD", False),
    }
    assert [obj["metadata"]["name"] for obj in desired.objects] == ["web-git", "web-other"]
    assert expected == {(url, ref, given == secret) for url, ref, given in repositories.asked}
