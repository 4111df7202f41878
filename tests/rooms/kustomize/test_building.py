"""What a build may read, where its problems are, and what a caller may lay over it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.rooms.kustomize.trees import Memory
from trueup.kube.documents import Document
from trueup.kustomize import (
    HelmChart,
    KustomizeProblem,
    Options,
    build,
    build_with,
    generate_kustomization,
)

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: "nginx:1"}]}}}
"""


def problem_of(files: Mapping[str, str], path: str = "", options: Options | None = None) -> KustomizeProblem:
    """The refusal of a build."""
    with pytest.raises(KustomizeProblem) as caught:
        build(Memory(files), path, options)
    return caught.value


def test_origins_name_file_and_line() -> None:
    """An object knows the file and line it stands in, a generated one the kustomization that made it."""
    files = {
        "app/kustomization.yaml": "resources: [all.yaml]\nconfigMapGenerator: [{name: g, literals: [a=b]}]\n",
        "app/all.yaml": f"{CONFIG}---\n{DEPLOYMENT}",
    }
    expected = [("app/kustomization.yaml", 0), ("app/all.yaml", 1), ("app/all.yaml", 6)]
    assert expected == sorted(build(Memory(files), "app").origins, key=lambda origin: (-len(origin[0]), origin[1]))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "a: [\n"}, ("a.yaml", "resources")),
        ({"kustomization.yaml": "nope: 1\nresources: [a.yaml]\n"}, ("kustomization.yaml", "nope")),
        ({"kustomization.yaml": "images: [{name: 1}]\n"}, ("kustomization.yaml", "images.name")),
        (
            {"kustomization.yaml": "resources: [b]\n", "b/kustomization.yaml": "foo: 1\n"},
            ("b/kustomization.yaml", "foo"),
        ),
        (
            {"kustomization.yaml": "resources: [a.yaml]\nreplicas: [{name: x, count: 1}]\n", "a.yaml": CONFIG},
            ("kustomization.yaml", "replicas"),
        ),
        (
            {"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml}]\n", "a.yaml": CONFIG},
            ("p.yaml", "patches"),
        ),
    ],
)
def test_problems_name_file_and_field(files: dict[str, str], expected: tuple[str, str]) -> None:
    """A refusal says which file to open and which field is at fault."""
    problem = problem_of(files)
    assert expected == (problem.path, problem.field)


def test_a_key_twice_names_its_line() -> None:
    """A file that has a key twice is refused with the line of the second."""
    files = {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": CONFIG.replace("{k: v}", "{k: v, k: w}")}
    problem = problem_of(files)
    assert (problem.path, problem.line) == ("a.yaml", 4)
    assert 'mapping key "k" already defined' in problem.message


def test_an_infinite_number_is_refused_where_it_is_put() -> None:
    """A replacement that makes a number infinite is refused: JSON has none."""
    replacement = "{source: {kind: ConfigMap, name: a}, targets: [{select: {kind: W}, fieldPaths: [spec.a]}]}"
    files = {
        "kustomization.yaml": f"resources: [a.yaml, w.yaml]\nreplacements: [{replacement}]\n".replace(
            "name: a}", "name: a, fieldPath: data.k}"
        ),
        "a.yaml": CONFIG.replace("{k: v}", "{k: '-.inf'}"),
        "w.yaml": "apiVersion: example.com/v1\nkind: W\nmetadata: {name: w}\nspec: {a: 1.5}\n",
    }
    assert problem_of(files).message == "json: unsupported value: -Inf"


@pytest.mark.parametrize(
    ("patches", "target", "refused"),
    [
        ("[]", "", True),
        ("[]", "{kind: ConfigMap}", True),
        ("[]", "{kind: Secret}", False),
        ("[{target: {kind: ConfigMap}, patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}'}]",
         "{kind: ConfigMap}", False),
    ],
)  # fmt: skip
def test_a_validator_that_patches_changes_what_it_meets(patches: str, target: str, refused: bool) -> None:
    """A strategic merge patch is a change to kustomize, though the object be the same; not where one went before."""
    fields = f"target: {target}\n" if target else ""
    files = {
        "kustomization.yaml": f"resources: [a.yaml]\npatches: {patches}\nvalidators: [v.yaml]\n",
        "a.yaml": CONFIG,
        "v.yaml": f"apiVersion: builtin\nkind: PatchTransformer\nmetadata: {{name: v}}\n{fields}"
        "patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}'\n",
    }
    if refused:
        assert problem_of(files).message == "validator shouldn't modify the resource map"
    else:
        assert len(build(Memory(files), "").objects) == 1


def test_files_outside_of_the_folder_need_leave() -> None:
    """A file beside the kustomization's folder is refused, and read when the caller lifts the restriction."""
    files = {"app/kustomization.yaml": "resources: [../a.yaml]\n", "a.yaml": CONFIG}
    assert "security; file '/a.yaml' is not in or below '/app'" in problem_of(files, "app").message
    assert len(build(Memory(files), "app", Options(restrict=False)).objects) == 1


def test_nothing_is_read_outside_of_the_tree() -> None:
    """A path that leads out of the source is refused, restricted or not."""
    files = {"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [../../etc/passwd]}]\n"}
    assert "leads out of the source" in problem_of(files, "app", Options(restrict=False)).message


def test_remote_bases_come_from_the_caller() -> None:
    """A remote base is refused by name, unless the caller answers it with a tree."""
    files = {"kustomization.yaml": "resources: ['https://github.com/o/r//base?ref=v1']\nnamePrefix: x-\n"}
    assert "the remote base 'https://github.com/o/r//base?ref=v1' cannot be had" in problem_of(files).message
    remote = Memory({"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": CONFIG})
    options = Options(remote=lambda url: (remote, "base"))
    assert [obj["metadata"]["name"] for obj in build(Memory(files), "", options).objects] == ["x-a"]


def test_charts_come_from_the_caller() -> None:
    """A chart is refused by name, unless the caller renders it; the namespace of the kustomization is handed down."""
    files = {"kustomization.yaml": "namespace: ns\nhelmCharts: [{name: c, valuesInline: {a: 1}}]\nnamePrefix: p-\n"}
    assert "the chart 'c' cannot be rendered" in problem_of(files).message
    asked: list[HelmChart] = []

    def render(chart: HelmChart) -> bytes:
        asked.append(chart)
        return CONFIG.encode()

    built = build(Memory(files), "", Options(helm=render))
    assert [obj["metadata"]["name"] for obj in built.objects] == ["p-a"]
    assert asked[0].chart == {"name": "c", "valuesInline": {"a": 1}, "namespace": "ns"}


class Documents:
    """Parsed files by their digest."""

    def __init__(self) -> None:
        self.kept: dict[str, Sequence[Document]] = {}

    def get(self, digest: str) -> Sequence[Document] | None:
        return self.kept.get(digest)

    def keep(self, digest: str, documents: Sequence[Document], size: int) -> None:
        self.kept[digest] = documents


def test_shared_documents_are_never_changed() -> None:
    """Two builds over one cache of parsed files give the same, though the first one changed its objects."""
    files = Memory(
        {"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: p-\ncommonLabels: {a: b}\n", "a.yaml": CONFIG}
    )
    documents = Documents()
    options = Options(documents=documents)
    assert build(files, "", options).objects == build(files, "", options).objects
    expected = ["a.yaml"]
    assert expected == list(documents.kept)


def test_warnings_name_old_fields() -> None:
    """Fields that kustomize calls deprecated are built, and named."""
    files = {"kustomization.yaml": "bases: [b]\n", "b/kustomization.yaml": "resources: [a.yaml]\n", "b/a.yaml": CONFIG}
    assert build(Memory(files), "").warnings == ["kustomization.yaml: 'bases' is deprecated, use 'resources' instead"]


EDITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"namespace": "n"}, {"namespace": "n", "image": "nginx:2"}),
    ({"images": [{"name": "nginx", "newName": "other"}]}, {"image": "other:2"}),
    ({"images": [{"name": "nginx", "digest": "sha256:ab"}]}, {"image": "nginx@sha256:ab"}),
    ({"replicas": [{"name": "web", "count": 3}]}, {"replicas": 3, "image": "nginx:2"}),
    ({"commonAnnotations": {"a": "b"}}, {"annotation": "b", "image": "nginx:2"}),
    (
        {
            "patches": [
                {"target": {"kind": "Deployment"}, "patch": '[{"op": "add", "path": "/spec/replicas", "value": 9}]'}
            ]
        },
        {"replicas": 9, "image": "nginx:2"},
    ),
    ({"components": ["comp"]}, {"replicas": 5, "image": "nginx:2"}),
]


@pytest.mark.parametrize(("edits", "expected"), EDITS)
def test_edits_are_laid_over(edits: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fields of an Application or a Flux Kustomization win over those in the file, and add to its lists."""
    files = Memory({
        "kustomization.yaml": "resources: [d.yaml]\nimages: [{name: nginx, newTag: '2'}]\n",
        "d.yaml": DEPLOYMENT,
        "comp/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nreplicas: [{name: web, count: 5}]\n"
        ),
    })  # fmt: skip
    obj = build_with(files, ".", edits).objects[0]
    actual = {
        "image": obj["spec"]["template"]["spec"]["containers"][0]["image"],
        "replicas": obj["spec"].get("replicas"),
        "namespace": obj["metadata"].get("namespace"),
        "annotation": obj["metadata"].get("annotations", {}).get("a"),
    }
    assert expected == {key: value for key, value in actual.items() if value is not None}


def test_flux_makes_a_kustomization_of_a_plain_folder() -> None:
    """Manifests are listed in the order of a walk; a folder with a kustomization is one entry; other files are left out."""
    files = Memory({
        "app/b.yaml": CONFIG,
        "app/a/deep.yml": CONFIG,
        "app/a/notes.txt": "",
        "app/c/kustomization.yaml": "resources: [x.yaml]\n",
        "app/c/x.yaml": CONFIG,
        "app/.sops.yaml": "creation_rules: []\n",
    })  # fmt: skip
    expected = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["./a/deep.yml", "./b.yaml", "./c"],
    }
    assert expected == generate_kustomization(files, "app")


def test_flux_refuses_a_folder_with_other_yaml() -> None:
    """A YAML file without objects in it is named."""
    with pytest.raises(KustomizeProblem) as problem:
        generate_kustomization(Memory({"app/values.yaml": "a: b\n"}), "app")
    assert problem.value.message == "failed to decode Kubernetes YAML from app/values.yaml: missing Resource metadata"


def test_flux_builds_an_empty_kustomization() -> None:
    """A kustomization that says nothing is refused, but gives nothing where the caller allows it."""
    files = {"kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"}
    assert problem_of(files).message == "kustomization.yaml is empty"
    assert build(Memory(files), "", Options(empty_allowed=True)).objects == []


def test_two_objects_never_share_a_name() -> None:
    """A patch that gives an object the name of another is refused at the end."""
    rename = '[{"op": "replace", "path": "/metadata/name", "value": "same"}]'
    files = {
        "kustomization.yaml": f"resources: [a.yaml]\npatches: [{{target: {{kind: ConfigMap}}, patch: '{rename}'}}]\n",
        "a.yaml": f"{CONFIG}---\n{CONFIG.replace('name: a', 'name: b')}",
    }
    assert "may not add resource with an already registered id: ConfigMap.v1.[noGrp]/same" in problem_of(files).message


@pytest.mark.parametrize(
    ("said", "labelled"),
    [
        ("includeTemplates: true", True),
        ("includeTemplates: true, includeVolumeClaimTemplates: false", False),
        ("includeVolumeClaimTemplates: true", True),
        ("includeVolumeClaimTemplates: false", False),
        ("includeSelectors: true, includeVolumeClaimTemplates: false", True),
    ],
)
def test_labels_of_claim_templates(said: str, labelled: bool) -> None:
    """Templates of claims get labels as in 5.8.1, or as ``includeVolumeClaimTemplates`` of later versions says."""
    files = {
        "kustomization.yaml": f"resources: [set.yaml]\nlabels:\n- {{pairs: {{a: b}}, {said}}}\n",
        "set.yaml": "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, "
        "spec: {volumeClaimTemplates: [{metadata: {name: c}}]}}\n",
    }
    claim = build(Memory(files), "").objects[0]["spec"]["volumeClaimTemplates"][0]
    assert {"name": "c", **({"labels": {"a": "b"}} if labelled else {})} == claim["metadata"]


def test_flux_does_not_mind_fields_that_there_are_not() -> None:
    """It reads the outermost kustomization loosely, and writes what it knows of it; kustomize itself refuses the rest."""
    files = {
        "kustomization.yaml": "resources: [a.yaml]\nnope: 1\nimages: [{name: nginx, nope: 2}]\n",
        "a.yaml": CONFIG,
    }
    assert problem_of(files).message == 'invalid Kustomization: json: unknown field "nope"'
    assert len(build_with(Memory(files), "", {}).objects) == 1


@pytest.mark.parametrize(
    ("resources", "edits", "expected"),
    [
        ("[]", {}, {"config.kubernetes.io/origin": "configuredIn: kustomization.yaml\n"}),
        ("[a.yaml]", {}, None),
        ("[a.yaml]", {"buildMetadata": ["originAnnotations"]}, {"config.kubernetes.io/origin": "configuredIn: "}),
    ],
)
def test_flux_notes_origins_where_no_resources_are_named(
    resources: str, edits: dict[str, Any], expected: dict[str, str] | None
) -> None:
    """Then, and where the Kustomization asks for it, what is generated says where."""
    files = {
        "kustomization.yaml": f"resources: {resources}\nconfigMapGenerator: [{{name: g, literals: [a=b]}}]\n",
        "a.yaml": CONFIG,
    }
    generated = build_with(Memory(files), "", edits).objects[-1]
    annotations = generated["metadata"].get("annotations")
    assert (annotations is None) == (expected is None)
    assert all(annotations[name].startswith(text) for name, text in (expected or {}).items())
