"""What URLs of remote bases name, as kustomize reads them."""

import pytest

from tests.rooms.kustomize.trees import Memory
from trueup.kustomize import KustomizeProblem, Options, build, place_of

PLACES = [
    ("https://github.com/o/r//base?ref=v1", ("https://github.com/o/r", "v1", "base")),
    ("https://github.com/o/r/deep/base?ref=v1.0/x", ("https://github.com/o/r", "v1.0/x", "deep/base")),
    ("github.com/o/r?ref=main", ("https://github.com/o/r", "main", "")),
    ("github.com:o/r", ("https://github.com/o/r", "", "")),
    ("HTTP://GitHub.com/o/r.git/base", ("https://github.com/o/r.git", "", "base")),
    ("git::https://gitlab.com/o/r", ("https://gitlab.com/o/r", "", "")),
    ("git@github.com:o/r.git/base", ("git@github.com:o/r.git", "", "base")),
    ("git@github.com/o/r/base", ("git@github.com:o/r", "", "base")),
    ("ssh://git@github.com/o/r//base/dev?ref=v1", ("git@github.com:o/r", "v1", "base/dev")),
    ("git@bitbucket.org:c/p.git//path?ref=b", ("git@bitbucket.org:c/p.git", "b", "path")),
    ("ssh://git@bitbucket.org/c/p.git//path", ("ssh://git@bitbucket.org/c/p.git", "", "path")),
    ("ssh://git.example.com:7999/c/p/path", ("ssh://git.example.com:7999/c/p", "", "path")),
    ("https://dev.azure.com/o/p/_git/r//a/b", ("https://dev.azure.com/o/p/_git/r", "", "a/b")),
    ("https://i.example.com/c/p/_git/r/d?version=v1", ("https://i.example.com/c/p/_git/r", "v1", "d")),
    ("https://host/o/r/?ref=includes.git/x", ("https://host/o/r", "includes.git/x", "")),
    ("https://host/o/r?version=a&ref=b&timeout=90s", ("https://host/o/r", "b", "")),
    ("https://example.org/path/to/repo//a/b", ("https://example.org/path/to/repo", "", "a/b")),
    ("file:///a/b/c/r?ref=x", ("file:///a/b/c/r", "x", "")),
    ("https://raw.githubusercontent.com/o/r/v1/a/b.yaml", ("https://github.com/o/r", "v1", "a/b.yaml")),
    ("https://raw.githubusercontent.com/o/r/refs/heads/x/b.yaml", ("https://github.com/o/r", "refs/heads/x", "b.yaml")),
    ("https://github.com/o/r/raw/main/b.yaml", ("https://github.com/o/r", "main", "b.yaml")),
    ("https://gitlab.com/o/sub/r/-/raw/v2/b.yaml?ref_type=tags", ("https://gitlab.com/o/sub/r", "v2", "b.yaml")),
]


@pytest.mark.parametrize(("url", "expected"), PLACES, ids=[url for url, _ in PLACES])
def test_a_url_names_a_repository_a_revision_and_a_path(url: str, expected: tuple[str, str, str]) -> None:
    """Split where kustomize splits; raw files of GitHub and GitLab lie in their repositories."""
    assert place_of(url) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("../../tmp", "failed to parse scheme"),
        ("src/github.com/o/r/path", "failed to parse scheme"),
        ("https://host?ref=x", "failed to parse host segment"),
        ("https://host/x", "failed to parse repo path segment"),
        ("https://github.com/o/r.git//../out", "url path exits repo"),
        ("https://example.com/releases/install.yaml", "vendor it"),
    ],
)
def test_what_names_no_repository_is_refused(url: str, words: str) -> None:
    """The message says why, or what to do."""
    with pytest.raises(KustomizeProblem, match=words):
        place_of(url)


WEB = {
    "https://example.com/web.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
    "https://example.com/app.properties": b"a=b\n",
    "https://example.com/patch.json": b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","labels":{"x":"y"}}}',
}
USES_WEB = """resources: [https://example.com/web.yaml]
patches: [{path: https://example.com/patch.json}]
configMapGenerator:
- name: made
  files: [app.properties=https://example.com/app.properties]
"""


def test_files_of_the_web_are_loaded() -> None:
    """As resources, as patches and as sources of generators, by whoever may fetch."""
    tree = Memory({"kustomization.yaml": USES_WEB})
    objects = build(tree, "", Options(fetch=WEB.__getitem__)).objects
    maps = [
        (obj["metadata"]["name"].partition("-")[0], obj["metadata"].get("labels"), obj.get("data")) for obj in objects
    ]
    assert sorted(maps, key=str) == [("made", None, {"app.properties": "a=b\n"}), ("web", {"x": "y"}, None)]


@pytest.mark.parametrize("field", ["resources: [{}]", "configMapGenerator: [{{name: a, files: [{}]}}]"])
def test_files_of_the_web_are_refused_where_nothing_is_fetched(field: str) -> None:
    """And the refusal names the file."""
    url = "https://example.com/web.yaml"
    with pytest.raises(KustomizeProblem, match=url):
        build(Memory({"kustomization.yaml": field.format(url)}), "")
