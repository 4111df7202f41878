"""Equal inputs are rendered once, equal files parsed once."""

import asyncio
from dataclasses import replace

from tests.rooms.render.folders import Files, config_map, request
from trueup.kube.documents import Document
from trueup.render.parsed import Parsed
from trueup.render.render import Render

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
