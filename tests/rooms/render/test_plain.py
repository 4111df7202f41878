"""Plain folders and Jsonnet, as Argo CD's directory applications read them."""

import pytest

from tests.rooms.render.folders import Files, config_map, request
from trueup.kube.limits import Limits
from trueup.ports import Origin, RenderProblem
from trueup.render import jsonnet
from trueup.render.render import Render
from trueup.render.workers import Workers


async def names(renderer: Render, files: dict[str, str], path: str = "", **options: object) -> list[str]:
    """The names of what a folder renders to."""
    rendered = await renderer.render(request(files, path, "directory", **options))
    return [obj["metadata"]["name"] for obj in rendered.objects]


FOLDER = {
    "apps/b.yaml": config_map("b1") + "---\n" + config_map("b2"),
    "apps/a.yml": config_map("a"),
    "apps/c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}',
    "apps/deep/d.yaml": config_map("d"),
    "apps/deep/values.yaml": "replicas: 1\n",
    "apps/notes.txt": "no manifest",
    "apps/skipped.yaml": "# +argocd:skip-file-rendering\n" + config_map("skipped"),
    "other/e.yaml": config_map("e"),
}


async def test_manifests_come_in_the_order_of_their_paths(shared_renderer: Render) -> None:
    """Only the folder itself, unless it is told to recurse; what is no manifest is passed over."""
    assert await names(shared_renderer, FOLDER, "apps") == ["a", "b1", "b2", "c"]
    assert await names(shared_renderer, FOLDER, "./apps/", recurse=True) == ["a", "b1", "b2", "c", "d"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": "*.json"}, ["c"]),
        ({"include": "{a.yml,*/d.yaml}"}, ["a", "d"]),
        ({"exclude": "*.y*ml"}, ["c"]),
        ({"include": "*.yaml", "exclude": "{deep/*,x}"}, ["b1", "b2"]),
        ({"include": "[ab].y?ml"}, ["b1", "b2"]),
        ({"include": "[!b].y*"}, ["a"]),
    ],
)
async def test_files_are_chosen_by_pattern(
    shared_renderer: Render, options: dict[str, str], expected: list[str]
) -> None:
    """``include`` and ``exclude`` are matched against the path below the folder; stars cross slashes."""
    assert await names(shared_renderer, FOLDER, "apps", recurse=True, **options) == expected


async def test_lists_are_opened(shared_renderer: Render) -> None:
    """A ``List`` of any kind is its items; an empty one is nothing."""
    items = '[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}]'
    files = {
        "a.yaml": f"apiVersion: v1\nkind: List\nitems: {items}\n---\napiVersion: v1\nkind: ConfigMapList\nitems: {items}\n",
        "b.yaml": "apiVersion: v1\nkind: List\nmetadata: {}\nitems: null\n",
    }
    assert await names(shared_renderer, files) == ["x", "x"]


async def test_objects_know_where_they_come_from(shared_renderer: Render) -> None:
    """File, line and tool; every file that was read has its digest."""
    rendered = await shared_renderer.render(request(FOLDER, "apps", "directory", include="b.yaml"))
    assert rendered.origins == [Origin("apps/b.yaml", 1, "directory"), Origin("apps/b.yaml", 6, "directory")]
    assert list(rendered.files) == ["apps/b.yaml"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (config_map("a") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n", 10, "did not find"),
        (config_map("a") + "---\nkind: ConfigMap\n", 6, "'apiVersion' is missing"),
        (config_map("a") + "---\nreplicas: 1\n", 6, "'Kind' is missing"),
        (config_map("a") + "---\n- 1\n", 6, "this is a list"),
        ("apiVersion: v1\nkind:\nmetadata:\n  name: x\n", 1, "'Kind' is missing"),
    ],
)
async def test_an_error_names_file_and_line(shared_renderer: Render, text: str, line: int, words: str) -> None:
    """A bad manifest is found at once."""
    with pytest.raises(RenderProblem, match=words) as caught:
        await shared_renderer.render(request({"apps/bad.yaml": text}, "apps", "directory"))
    assert (caught.value.path, caught.value.line) == ("apps/bad.yaml", line)


async def test_yaml_that_is_something_else_is_passed_over(shared_renderer: Render) -> None:
    """A values file or a workflow beside the manifests is no error."""
    files = {"a.yaml": config_map("a"), "values.yaml": "replicas: 1\n", "list.yaml": "- 1\n", "broken.yaml": "a: [\n"}
    assert await names(shared_renderer, files) == ["a"]


async def test_a_json_file_holds_one_object(shared_renderer: Render) -> None:
    """As the original: JSON streams are refused."""
    text = '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "c"}}\n' * 2
    with pytest.raises(RenderProblem, match="only one object"):
        await names(shared_renderer, {"c.json": text})


async def test_nothing_outside_is_read(shared_renderer: Render) -> None:
    """A link that leads out is refused by name."""
    with pytest.raises(RenderProblem, match=r"apps/out\.yaml: a symbolic link leads out"):
        await names(shared_renderer, {"apps/out.yaml": "-> /etc/passwd"}, "apps")


@pytest.mark.parametrize("path", ["nope", "../x", "/etc"])
async def test_a_folder_that_is_not_there_is_named(shared_renderer: Render, path: str) -> None:
    """The path is in the message."""
    with pytest.raises(RenderProblem, match=path):
        await names(shared_renderer, FOLDER, path)


# --- Jsonnet -------------------------------------------------------------------------------------------------------

MAIN = """
local lib = import 'lib.libsonnet';
local far = import 'far.libsonnet';
function(season, count=1) [
  lib.map('banner') { data: { season: season, count: std.toString(count), far: far.name, stage: std.extVar('stage') } },
]
"""
JSONNET = {
    "apps/banner/main.jsonnet": MAIN,
    "apps/banner/lib.libsonnet": "{ map(name): { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: name } } }",
    "vendor/one/far.libsonnet": "{ name: 'one' }",
    "vendor/two/far.libsonnet": "import 'near.libsonnet'",
    "vendor/two/near.libsonnet": "{ name: 'two' }",
}
VARIABLES = {
    "extVars": [{"name": "stage", "value": "test"}],
    "tlas": [{"name": "season", "value": "winter"}, {"name": "count", "value": "1 + 2", "code": True}],
    "libs": ["vendor/one", "vendor/two"],
}


async def test_jsonnet_is_evaluated(shared_renderer: Render) -> None:
    """Imports beside the file and in libraries (the last one first), variables as text and as code."""
    rendered = await shared_renderer.render(request(JSONNET, "apps/banner", jsonnet=VARIABLES))
    expected = {"season": "winter", "count": "3", "far": "two", "stage": "test"}
    assert [obj["data"] for obj in rendered.objects] == [expected]
    assert rendered.origins == [Origin("apps/banner/main.jsonnet", 1, "jsonnet")]
    assert set(rendered.files) == set(JSONNET) - {"vendor/one/far.libsonnet"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import '/etc/passwd'", "absolute path"),
        ("importstr '../../../../etc/passwd'", "leads out"),
        ("import 'nope.libsonnet'", "couldn't open import"),
        ("{\n  a: error 'stop here',\n}", "stop here"),
        ("{ a: }", "Unexpected"),
        ("{ a: 1 }", "'Kind' is missing"),
    ],
)
async def test_what_does_not_evaluate_is_named(shared_renderer: Render, text: str, words: str) -> None:
    """Nothing outside is imported, errors name the file."""
    with pytest.raises(RenderProblem, match=words) as caught:
        await shared_renderer.render(request({"apps/x/main.jsonnet": text}, "apps/x"))
    assert caught.value.path == "apps/x/main.jsonnet"


async def test_the_last_line_of_a_file_has_its_end(shared_renderer: Render) -> None:
    """A block of text at the end of a file ends with a line end, whether the file does or not: kubectl and Argo CD say so."""
    text = config_map("a") + "data:\n  text: |\n    last"
    rendered = [await shared_renderer.render(request({"a/a.yaml": f"{text}{end}"}, "a")) for end in ("", "\n")]
    assert [one.objects[0]["data"]["text"] for one in rendered] == ["last\n", "last\n"]


GOOD = Files({"a.jsonnet": "{ apiVersion: 'v1', kind: 'A', metadata: { name: 'a' } }"})


def test_a_worker_that_never_ends_is_ended() -> None:
    """A render has a time limit."""
    workers = Workers(1, Limits(seconds=0.2))
    inner = "std.foldl(function(b, y) b + y, std.range(1, 10000), a)"
    endless = Files({"a.jsonnet": f"std.foldl(function(a, x) {inner}, std.range(1, 1000000), 0)"})
    with pytest.raises(RenderProblem, match=r"more than 0\.2 s of CPU"):
        jsonnet.render(endless, "a.jsonnet", "", {}, workers)
    workers.close()


def test_a_crash_of_an_engine_is_its_own() -> None:
    """An engine that crashes takes its render with it, and nothing else."""
    workers = Workers(1)
    bottomless = Files({"a.jsonnet": "local f(n) = f(n + 1) tailstrict; f(0)"})
    with pytest.raises(RenderProblem, match=r"crashed|stack|more than 512 MB|more than 1\.5 s"):
        jsonnet.render(bottomless, "a.jsonnet", "", {}, workers)
    assert len(jsonnet.render(GOOD, "a.jsonnet", "", {}, workers)) == 1
    workers.close()
