"""Equal inputs are rendered once, equal files parsed once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pygit2
import pytest

from tests.rooms.render.folders import Files, config_map, request
from trueup.kube.documents import Document
from trueup.ports import RenderProblem
from trueup.render.parsed import Parsed
from trueup.render.render import Render
from trueup.source.tree import GitTree

FILES = {"apps/a.yaml": config_map("a", x="1"), "apps/b.yaml": config_map("b"), "other/c.yaml": config_map("c")}


async def test_a_commit_that_touches_nothing_of_a_unit_is_answered_from_memory(fresh_renderer: Render) -> None:
    """Other files may change; a file that was read, or a folder that was listed, may not."""
    first = Files(FILES)
    before = await fresh_renderer.render(request(first, "apps"))
    elsewhere = Files({**FILES, "other/c.yaml": config_map("changed")})
    assert (await fresh_renderer.render(request(elsewhere, "apps"))).objects == before.objects
    assert elsewhere.reads == []
    changed = Files({**FILES, "apps/a.yaml": config_map("a", x="2")})
    assert (await fresh_renderer.render(request(changed, "apps"))).objects[0]["data"] == {"x": 2}
    added = Files({**FILES, "apps/new.yaml": config_map("new")})
    assert len((await fresh_renderer.render(request(added, "apps"))).objects) == 3


async def test_requests_at_one_time_share_one_render(fresh_renderer: Render) -> None:
    """A hundred who ask cost one read of each file."""
    tree = Files(FILES)
    rendered = await asyncio.gather(*(fresh_renderer.render(request(tree, "apps")) for _ in range(100)))
    assert {len(one.objects) for one in rendered} == {2}
    assert tree.reads == ["apps/a.yaml", "apps/b.yaml"]


async def test_everybody_gets_objects_of_their_own(fresh_renderer: Render) -> None:
    """Changing what one was given changes nothing for another."""
    asked = request(FILES, "apps")
    one = await fresh_renderer.render(asked)
    one.objects[0]["metadata"]["name"] = "mine"
    other = await fresh_renderer.render(asked)
    assert other.objects[0]["metadata"]["name"] == "a"


async def test_options_and_target_are_part_of_the_question(fresh_renderer: Render) -> None:
    """Another pattern, another namespace of the target: another render."""
    tree = Files(FILES)
    asked = request(tree, "apps")
    await fresh_renderer.render(asked)
    await fresh_renderer.render(request(tree, "apps", include="a.yaml"))
    await fresh_renderer.render(replace(asked, target=replace(asked.target, namespace="else")))
    assert tree.reads.count("apps/a.yaml") == 3


async def test_a_base_is_parsed_once_for_all_its_overlays(fresh_renderer: Render) -> None:
    """The second overlay does not read the base's file again, and gets what its own kustomization says."""
    overlay = "resources: [../base]\nnamePrefix: {}-\n"
    tree = Files(
        {
            "base/kustomization.yaml": "resources: [a.yaml]\n",
            "base/a.yaml": config_map("a"),
            **{f"{name}/kustomization.yaml": overlay.format(name) for name in ("one", "two")},
        }
    )
    rendered = [await fresh_renderer.render(request(tree, name)) for name in ("one", "two", "base")]
    expected = ["one-a", "two-a", "a"]
    assert expected == [one.objects[0]["metadata"]["name"] for one in rendered]
    assert tree.reads.count("base/a.yaml") == 1


async def test_what_does_not_render_does_not_render_again(fresh_renderer: Render) -> None:
    """A mistake is told again without a render, until a file that was read is another."""
    wrong = Files({**FILES, "apps/a.yaml": f"{config_map('a')}data: [\n"})
    for tree in (wrong, Files({**wrong.files, "other/c.yaml": ""})):
        with pytest.raises(RenderProblem, match=r"^apps/a\.yaml:\d: ") as caught:
            await fresh_renderer.render(request(tree, "apps", include="a.yaml"))
        assert caught.value.path == "apps/a.yaml"
    assert fresh_renderer.rendered == 1
    assert len((await fresh_renderer.render(request(FILES, "apps", include="a.yaml"))).objects) == 1


async def test_a_file_that_was_looked_for_is_noticed_when_it_comes(fresh_renderer: Render) -> None:
    """What was missing when a unit rendered is among what it depends on."""
    chart = {"web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "web/templates/a.yaml": config_map("a")}
    options = {"valueFiles": ["../more.yaml"], "ignoreMissingValueFiles": True}
    before = await fresh_renderer.render(request(chart, "web", **options))
    assert {"more.yaml", "web/.helmignore"} <= set(before.absent)
    await fresh_renderer.render(request({**chart, "more.yaml": "a: 1"}, "web", **options))
    assert fresh_renderer.rendered == 2


def commit(folder: Path, files: dict[str, str]) -> GitTree:
    """The tree of files, ``-> `` marking links, in a repository without any commit."""
    repository = pygit2.init_repository(str(folder), bare=True)
    index = pygit2.Index()
    for path, text in files.items():
        mode = pygit2.enums.FileMode.LINK if text.startswith("-> ") else pygit2.enums.FileMode.BLOB
        index.add(pygit2.IndexEntry(path, repository.create_blob(text.removeprefix("-> ").encode()), mode))
    return GitTree(repository, index.write_tree(repository))


async def test_a_commit_beside_a_unit_costs_it_nothing(fresh_renderer: Render, tmp_path: Path) -> None:
    """The digest of its folder says that all in it is the same; what it reads elsewhere is looked at, too."""
    files = {"apps/kustomization.yaml": "resources: [a.yaml, ../base]", "apps/a.yaml": config_map("a"),
             "base/kustomization.yaml": "resources: [b.yaml]", "base/b.yaml": config_map("b")}  # fmt: skip
    for more in ({}, {"other/c": "c"}, {"base/unread": "x"}, {"apps/unread": "x"}):
        await fresh_renderer.render(request(commit(tmp_path, {**files, **more}), "apps"))
    assert fresh_renderer.rendered == 1
    for more in ({"base/b.yaml": config_map("other")}, {"apps/a.yaml": config_map("other")}):
        await fresh_renderer.render(request(commit(tmp_path, {**files, **more}), "apps"))
    assert fresh_renderer.rendered == 3


async def test_what_a_link_leads_to_is_noticed(fresh_renderer: Render, tmp_path: Path) -> None:
    """A file changes while the folder that holds a link to it stays the same."""
    files = {"apps/a.yaml": "-> ../shared/a.yaml", "shared/a.yaml": config_map("a")}
    await fresh_renderer.render(request(commit(tmp_path, files), "apps"))
    changed = request(commit(tmp_path, {**files, "shared/a.yaml": config_map("b")}), "apps")
    assert (await fresh_renderer.render(changed)).objects[0]["metadata"]["name"] == "b"


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Render, Render]]:
    """Two renderers that have a folder in common, as processes would."""
    made = [Render(tmp_path / name, workers=1, shared=tmp_path / "shared") for name in ("one", "other")]
    yield made[0], made[1]
    for one in made:
        one.close()


async def test_what_one_replica_has_rendered_no_other_renders(replicas: tuple[Render, Render], tmp_path: Path) -> None:
    """Not even at the same time; a change is rendered once, too, and whoever starts later knows both."""
    files = {"apps/kustomization.yaml": "resources: [a.yaml]", "apps/a.yaml": config_map("a")}
    for more in ({}, {"apps/a.yaml": config_map("b")}):
        asked = request(commit(tmp_path / "git", {**files, **more}), "apps")
        one, other = await asyncio.gather(*(replica.render(asked) for replica in replicas))
        assert (one.objects, one.origins, one.files, one.absent) == (
            other.objects,
            other.origins,
            other.files,
            other.absent,
        )
    assert sum(replica.rendered for replica in replicas) == 2
    later = Render(tmp_path / "later", workers=1, shared=tmp_path / "shared")
    assert (await later.render(request(commit(tmp_path / "git", files), "apps"))).objects[0]["metadata"]["name"] == "a"
    assert later.rendered == 0
    later.close()


async def test_secrets_are_not_written(replicas: tuple[Render, Render], tmp_path: Path) -> None:
    """Nor what was looked up in a cluster: each replica renders that by itself."""
    secret = {"apps/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: hunter2}\n"}
    asked = request(commit(tmp_path / "git", secret), "apps")
    for replica in replicas:
        await replica.render(asked)
    assert [replica.rendered for replica in replicas] == [1, 1]
    assert not [path for path in (tmp_path / "shared").iterdir() if b"hunter2" in path.read_bytes()]


async def test_a_spoiled_folder_spoils_nothing(replicas: tuple[Render, Render], tmp_path: Path) -> None:
    """What cannot be read there is rendered anew."""
    asked = request(commit(tmp_path / "git", {"apps/a.yaml": config_map("a")}), "apps")
    await replicas[0].render(asked)
    for file in (tmp_path / "shared").glob("*.json"):
        file.write_text('[{"body": 1}, ')
    assert len((await replicas[1].render(asked)).objects) == 1
    assert replicas[1].rendered == 1


def test_parsed_files_are_bounded() -> None:
    """The longest unused ones go, and one that is large for the place is not kept at all."""
    parsed = Parsed(100)
    for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
        parsed.keep(name, [Document(name, 1)], 12)
    parsed.get("a")
    parsed.keep("i", [Document("i", 1)], 12)
    parsed.keep("large", [Document("large", 1)], 50)
    expected = ["b", "large"]
    assert expected == [name for name in (*"abcdefghi", "large") if parsed.get(name) is None]
