"""Repositories that want to do harm are refused by a limit that the refusal names, and nobody else notices."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.rooms.render.folders import Files, config_map, request
from trueup.kube.limits import MEGABYTE, Limits
from trueup.ports import RenderProblem, RenderRequest
from trueup.render.render import Render
from trueup.source.folder import DirTree

LIMITS = Limits(seconds=0.5)
"""The memory is what everybody gets; the time is short so that the table is."""
SECONDS = r"more than 0.\d+ s of CPU \(raise it by --render-limit seconds="
MEMORY = r"(more than|of) 512 MB of memory (in use )?\(raise it by --render-limit memory="
EITHER = f"{SECONDS}|{MEMORY}"
TOTAL = r"reads and makes more than 64 MB \(raise it by --render-limit total="
DEEP = "nested more than 250 levels deep"
CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"


@dataclass(frozen=True)
class Case:
    """Files and options, and the words of the refusal."""

    files: Mapping[str, str]
    words: str
    options: Mapping[str, object] = field(default_factory=dict)
    path: str = ""


def chart(template: str, helpers: str = "", values: str = "") -> dict[str, str]:
    """A chart of one template."""
    return {"Chart.yaml": CHART, "values.yaml": values, "templates/_h.tpl": helpers, "templates/a.yaml": template}


def kustomization(text: str, **files: str) -> dict[str, str]:
    """A kustomization with one object."""
    return {"kustomization.yaml": f"resources: [a.yaml]\n{text}", "a.yaml": config_map("a", x="1"), **files}


def diamonds(height: int) -> dict[str, str]:
    """Bases that are built upon twice, and so are theirs."""
    files = {f"k{height}/kustomization.yaml": "resources: [a.yaml]", f"k{height}/a.yaml": config_map("x")}
    for at in range(height):
        files[f"k{at}/kustomization.yaml"] = f"resources: [../a{at}, ../b{at}]"
        for side in "ab":
            files[f"{side}{at}/kustomization.yaml"] = f"resources: [../k{at + 1}]\nnamePrefix: {side}-\n"
    return files


BOMB = "\n".join(
    ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    + [
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)
COPIES = "".join(f"    - {{op: copy, from: /x, path: /x/k{at}}}\n" for at in range(40))
DOUBLED = """- source: {kind: ConfigMap, name: a, fieldPath: data.x}
  targets:
  - select: {kind: ConfigMap}
    fieldPaths: [data.x]
    options: {delimiter: '!', index: 1}
"""
NESTED = """- source: {kind: ConfigMap, name: a, fieldPath: data}
  targets:
  - select: {kind: ConfigMap}
    fieldPaths: [data.x]
    options: {create: true}
"""
VARIABLE = """vars:
- name: A
  objref: {apiVersion: v1, kind: ConfigMap, name: a}
  fieldref: {fieldpath: data.x}
configurations: [c.yaml]
"""
PROGRAM = """apiVersion: example.com/v1
kind: Fork
metadata:
  name: fork
  annotations:
    config.kubernetes.io/function: |
      exec: {path: ./fork.sh}
"""

CASES = {
    "a path that leaves the source": Case({}, "stays in its repository", path="../../etc"),
    "an absolute path": Case({}, "stays in its repository", path="/etc"),
    "values of another folder of the machine": Case(
        chart("a: 1"), "leads out of the repository", {"valueFiles": ["../../../../etc/passwd"]}
    ),
    "an import of a file of the machine": Case({"a.jsonnet": "importstr '/etc/passwd'"}, "leaves the repository"),
    "an import from above": Case({"a.jsonnet": "import '../../dev/zero'"}, "leads out of the repository"),
    "a base above the source": Case(kustomization("components: [../../x]"), "leads out of the source"),
    "a file above the source": Case(
        kustomization("configMapGenerator: [{name: x, files: [../../../etc/passwd]}]"), "leads out of the source"
    ),
    "a link that leads out": Case({"a.yaml": "-> /etc/passwd"}, "leads out of the repository"),
    "a link that leads out, in a chart": Case(
        {**chart("a: 1"), "files/x": "-> /etc/passwd"}, "leads out of the repository"
    ),
    "bases in a circle": Case(
        {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"},
        "cycle detected",
        path="a",
    ),
    "a component of itself": Case(
        {
            **kustomization("components: [c]"),
            "c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../c]",
        },
        "cycle detected",
    ),
    "bases that double with each level": Case(diamonds(30), SECONDS, path="k0"),
    "a chart that depends on one outside": Case(
        chart("a: 1")
        | {"Chart.yaml": f"{CHART}dependencies: [{{name: web, version: '*', repository: 'file://../..'}}]\n"},
        "leads out of the repository|leaves the source",
    ),
    "anchors of anchors": Case({"a.yaml": config_map("a") + BOMB}, "excessive aliasing"),
    "anchors of anchors, in a kustomization": Case(kustomization(BOMB), "excessive aliasing"),
    "anchors of anchors, in values": Case(
        chart("a: 1"), "excessive aliasing", {"values": BOMB}
    ),
    "a long text used often": Case(
        {"a.yaml": f"a: &a {'x' * MEGABYTE}\n{config_map('a')}b: [{','.join(['*a'] * 900)}]\n"}, TOTAL
    ),
    "an anchor in itself": Case({"a.yaml": f"{config_map('a')}data: &a [*a]\n"}, "contains itself"),
    "a deep document": Case({"a.yaml": f"{config_map('a')}data: {'[' * 4000}{']' * 4000}\n"}, DEEP),
    "a deep document, in a kustomization": Case(
        {**kustomization(""), "a.yaml": f"{config_map('a')}data: {'[' * 4000}{']' * 4000}\n"}, DEEP
    ),
    "a deep document in JSON": Case(
        {"a.json": '{"apiVersion":"v1","kind":"A","a":' * 900 + "1" + "}" * 900}, DEEP
    ),
    "a large file": Case({"a.yaml": "x" * (17 * MEGABYTE)}, "the file has 17 MB, more than 16 MB"),
    "a large file, in a chart": Case(
        {**chart("a: 1"), "files/x": "x" * (17 * MEGABYTE)}, "the file has 17 MB, more than 16 MB"
    ),
    "a file that is read often": Case(
        kustomization(f"configMapGenerator: [{{name: x, files: [{', '.join(f'k{at}=big' for at in range(3000))}]}}]")
        | {"big": "x" * MEGABYTE},
        TOTAL,
    ),
    "a patch that copies its copies": Case(
        kustomization(f"patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n    - {{op: add, path: /x, value: {{}}}}\n{COPIES}"),
        "accumulated size increase of copy",
    ),
    "text that is put into itself": Case(
        {**kustomization(f"replacements:\n{DOUBLED * 60}"), "a.yaml": config_map("a", x="x" * 100)}, TOTAL
    ),
    "a structure that is put into itself": Case(
        {**kustomization(f"replacements:\n{NESTED * 400}"), "a.yaml": f"{config_map('a')}data: {{x: {{}}}}\n"},
        f"{TOTAL}|{DEEP}",
    ),
    "a variable used often": Case(
        kustomization(VARIABLE)
        | {
            "a.yaml": config_map("a", x="x" * 100_000) + "---\n" + config_map("b", y=f"'{'$(A)' * 10_000}'"),
            "c.yaml": "varReference: [{path: data, kind: ConfigMap}]",
        },
        TOTAL,
    ),
    "a substitution used often": Case(
        {**kustomization(""), "a.yaml": config_map("a", x=f"'{'${A}' * 3000}'")},
        TOTAL,
        {"substitute": {"A": "x" * 100_000}},
    ),
    "a substitution in each letter of another": Case(
        {**kustomization(""), "a.yaml": config_map("a", x="${A//x/${A}}")}, TOTAL, {"substitute": {"A": "x" * 100_000}}
    ),
    "a program as a generator": Case(
        kustomization("generators: [fork.yaml]", **{"fork.yaml": PROGRAM, "fork.sh": ":(){ :|:& };:"}),
        "external plugins disabled",
    ),
    "a template without end": Case(
        chart("{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}"), SECONDS
    ),
    "a list without end": Case(chart("{{ range until 2000000000 }}x{{ end }}"), EITHER),
    "a text without end": Case(chart('a: {{ repeat 2000000000 "x" }}'), MEMORY),
    "an output without end": Case(
        chart('{{ $x := repeat 1000000 "x" }}{{ range until 100000 }}{{ $x }}{{ end }}'), EITHER
    ),
    "an output of many objects": Case(
        chart(f"{{{{ range until 300000 }}}}---\n{config_map('a')}{{{{ end }}}}"), f"{SECONDS}|{TOTAL}"
    ),
    "a template that renders itself": Case(
        chart("{{ tpl .Values.t . }}", values="t: '{{ tpl .Values.t . }}'"), EITHER
    ),
    "a template that includes itself": Case(
        chart('{{ include "a" . }}', '{{ define "a" }}{{ include "a" . }}{{ end }}'),
        "rendering template has a nested reference name: a",
    ),
    "a template that is itself": Case(
        chart('{{ template "a" . }}', '{{ define "a" }}{{ template "a" . }}{{ end }}'),
        "exceeded maximum template depth",
    ),
    "keys without end": Case(chart('{{ range until 100000 }}{{ genCA "a" 365 }}{{ end }}'), SECONDS),
    "an error message without end": Case(
        chart('{{ fail (repeat 30000 "x/templates/y:") }}'), "x/templates/y:x.* [.]{3} "
    ),
    "a parameter in a list without end": Case(
        chart("a: 1"), r"index 1000000000 is not in 0\.\.", {"parameters": [{"name": "a[1000000000]", "value": "x"}]}
    ),
    "a function that calls itself": Case({"a.jsonnet": "local f(x) = f(x + 1); f(0)"}, "max stack frames exceeded"),
    "a function that ends in itself": Case(
        {"a.jsonnet": "local f(x) = f(x + 1) tailstrict; f(0)"}, f"{EITHER}|max stack frames"
    ),
    "an object in itself": Case({"a.jsonnet": "local a = {b: {c: a}}; a"}, "max stack frames exceeded"),
    "a file that imports itself": Case({"a.jsonnet": "import 'a.jsonnet'"}, "max stack frames exceeded"),
    "an array without end": Case({"a.jsonnet": "std.length(std.makeArray(1000000000, function(i) i))"}, EITHER),
    "a text that doubles": Case({"a.jsonnet": "std.foldl(function(a, b) a + a, std.range(1, 60), 'xxxxxxxx')"}, EITHER),
    "a fold without end": Case({"a.jsonnet": "std.foldl(function(a, b) a + b, std.range(1, 2000000), 0)"}, EITHER),
    "a trace without end": Case(
        {"a.jsonnet": "std.foldl(function(a, b) std.trace('x' * 1, b), std.makeArray(9, 1), 0)"}, "RUNTIME ERROR"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Render]:
    """A renderer for all of this table: what one case leaves behind is the next one's."""
    made = Render(tmp_path_factory.mktemp("render"), workers=2, limits=LIMITS)
    yield made
    made.close()


class Peaks:
    """The largest that any worker process has been while the block runs."""

    def __init__(self, renderer: Render) -> None:
        self._workers, self._end, self.largest = renderer.workers, threading.Event(), 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.01):
            self.largest = max(self.largest, *self._workers.sizes(), 0)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_does_harm_is_refused(case: Case, bounded: Render) -> None:
    """The refusal tells the limit; workers stay within their memory, and another unit renders meanwhile."""
    asked = request(Files(case.files), case.path, **case.options)
    other = request(chart(config_map("other")), parameters=[{"name": "salt", "value": case.words}])
    with Peaks(bounded) as peaks:
        found, beside = await asyncio.gather(bounded.render(asked), bounded.render(other), return_exceptions=True)

    assert isinstance(found, RenderProblem), found
    with pytest.raises(RenderProblem, match=f"(?s){case.words}"):
        raise found
    assert not isinstance(beside, BaseException), beside
    assert [obj["metadata"]["name"] for obj in beside.objects] == ["other"]
    assert peaks.largest <= LIMITS.memory
    assert len(str(found)) < 20_000


async def test_patterns_that_others_match_for_ever(bounded: Render) -> None:
    """Patterns are matched in time that grows with the text alone."""
    name = "a" * 200
    files = {f"{name}.yaml": config_map(name), **kustomization("images: [{name: (a+)+b, newTag: x}]")}
    files |= {"a.yaml": f"{config_map('a')}spec: {{containers: [{{image: {name}}}]}}\n"}
    globbed = await bounded.render(request(files, include="*a" * 30 + "*b", tool="directory"))
    imaged = await bounded.render(request(files))
    assert ([], name) == (globbed.objects, imaged.objects[0]["spec"]["containers"][0]["image"])


@pytest.mark.parametrize("tool", ["directory", "helm", "kustomize"])
async def test_links_in_a_circle_end(bounded: Render, tmp_path: Path, tool: str) -> None:
    """Argo CD walks into no link to a folder; what Helm would walk for ever is refused."""
    files = {"directory": {"a.yaml": config_map("a")}, "helm": chart(config_map("a")), "kustomize": kustomization("")}
    for name, text in files[tool].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    inside = tmp_path / "templates" if tool == "helm" else tmp_path
    for link in ("b", "c"):
        (inside / link).symlink_to(".")
    (inside / "d").symlink_to("d")
    asked = RenderRequest(DirTree(tmp_path), "", request({}).target, tool, {"recurse": True})
    if tool == "helm":
        with pytest.raises(RenderProblem, match=f"{SECONDS}|link"):
            await bounded.render(asked)
    else:
        assert [obj["metadata"]["name"] for obj in (await bounded.render(asked)).objects] == ["a"]
