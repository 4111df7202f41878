"""Folders on disk, rendered by commands: what they may fetch, and what they print."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pygit2
import pytest

from trueup.app.folder import render_kustomization
from trueup.ports import RenderProblem, Target

TARGET = Target("v1.36.0")
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder at a URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def put(folder: Path, files: dict[str, str]) -> Path:
    """Writes files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fetched is kept in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def names(folder: Path, **mapping: Path) -> list[str]:
    """What a folder renders to."""
    urls = {f"https://git.example.com/{name}.git": place for name, place in mapping.items()}
    return [obj["metadata"]["name"] for obj in render_kustomization(folder, TARGET, mapping=urls).objects]


def test_bases_may_lie_beside_a_folder_without_a_repository(tmp_path: Path) -> None:
    """As for `kustomize build`: paths lead anywhere on the machine."""
    put(tmp_path, {"base/kustomization.yaml": "resources: [map.yaml]\n", "base/map.yaml": MAP % "a"})
    put(tmp_path, {"top/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n"})
    assert names(tmp_path / "top") == ["x-a"]


def test_files_of_the_web_are_fetched(tmp_path: Path) -> None:
    """And one that is not there is told by its URL and its status."""
    put(tmp_path / "web", {"map.yaml": MAP % "web"})
    with served(tmp_path / "web") as url:
        put(tmp_path, {"top/kustomization.yaml": f"resources: [{url}/map.yaml]\n"})
        assert names(tmp_path / "top") == ["web"]
        put(tmp_path, {"bad/kustomization.yaml": f"resources: [{url}/no.yaml]\n"})
        with pytest.raises(RenderProblem, match=rf"{url}/no.yaml.*404"):
            names(tmp_path / "bad")


def test_remote_bases_are_fetched(tmp_path: Path) -> None:
    """From their repository, or from the folder that a URL is mapped to."""
    repository = put(
        tmp_path / "team", {"web/kustomization.yaml": "resources: [map.yaml]\n", "web/map.yaml": MAP % "web"}
    )
    made = pygit2.init_repository(str(repository))
    made.index.add_all()
    made.index.write()
    who = pygit2.Signature("a", "a@example.com")
    made.create_commit("HEAD", who, who, "begin", made.index.write_tree(), [])
    put(tmp_path, {"top/kustomization.yaml": "resources: ['https://git.example.com/team.git//web']\n"})
    assert names(tmp_path / "top", team=repository) == ["web"]


def test_flags_of_the_program_are_heeded(tmp_path: Path) -> None:
    """Files beside a kustomization are read where the load restrictor says so."""
    put(tmp_path, {"map.yaml": MAP % "a", "top/kustomization.yaml": "resources: [../map.yaml]\n"})
    loose = {"buildOptions": "--load-restrictor LoadRestrictionsNone"}
    with pytest.raises(RenderProblem, match="is not in or below"):
        render_kustomization(tmp_path / "top", TARGET)
    assert len(render_kustomization(tmp_path / "top", TARGET, loose).objects) == 1
