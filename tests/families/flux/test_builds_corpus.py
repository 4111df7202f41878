"""What Flux builds of its own test folders: the pairs of its generator, of its controller's transformers and of its command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.corpora import corpus
from trueup.families.flux import rules
from trueup.families.flux.artifact import selected
from trueup.families.flux.types import Kustomization
from trueup.kube.documents import dump_all, parse
from trueup.kube.names import Object
from trueup.kustomize import substitute
from trueup.ports import RenderProblem, Target, Tree
from trueup.render import kustomize
from trueup.source.tree import DirTree

GENERATOR, CONTROLLER = "flux-pkg/kustomize/testdata", "flux-kustomize-controller/internal/controller/testdata"
COMMAND = "flux2/cmd/flux/testdata"
MASKED = ("**SOPS**", "KipTT1BTKio=", "eyJtYXNrIjoiKipTT1BTKioifQ==")
"""What the command prints in the place of encrypted values."""
FLUXNS = "flux-system"
Said = tuple[object, object]
"""What is expected, and what came out."""


def read(path: Path) -> Object:
    """The one object of a file."""
    (document,) = parse(path.read_bytes(), str(path))
    return cast(Object, document.value)


def built(tree: Tree, path: str, unit: Object, *, strict: bool = True, found: tuple[Path, ...] = ()) -> list[Object]:
    """What a Kustomization builds of a folder; ``found``: what its variables are substituted from."""
    wish = Kustomization.parse({**unit, "metadata": unit.get("metadata") or {"name": "app", "namespace": "apps"}})
    post, values = wish.spec.get("postBuild") or {}, {}
    for file in found:
        obj = read(file)
        values |= {**(obj.get("data") or {}), **(obj.get("stringData") or {})}
    variables, wrong = rules.variables(post.get("substitute") or {}, values, str(post.get("substituteStrategy") or ""))
    assert not wrong
    options = rules.render_options(wish, variables, lambda path: True) | {"substituteStrict": strict}
    nobody = cast(Any, None)
    return [obj for obj, _ in kustomize.render(tree, path, options, Target("v1.34.0"), nobody)[0]]


def named(objects: list[Object]) -> list[str]:
    """Kinds and names."""
    return [f"{obj['kind']}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}" for obj in objects]


def refused(make: Callable[[], object]) -> bool:
    """Whether something does not build."""
    try:
        make()
    except RenderProblem:
        return True
    return False


# --- the generator's own folders -----------------------------------------------------------------------------------


def in_pkg(folder: str) -> tuple[Path, Tree]:
    """Where the cases of the generator are, and one of their folders as a source."""
    root = corpus(GENERATOR)
    return root, DirTree(root / folder)


def patched() -> Said:
    root, tree = in_pkg("resources")
    objects = built(tree, "", read(root / "kustomization.yaml"))
    return (root / "kustomization_expected.yaml").read_text(), dump_all(objects)


def patched_of_what_is_not_ignored() -> Said:
    root, tree = in_pkg("resources")
    objects = built(selected(tree, "!config.yaml"), "", read(root / "kustomization.yaml"))
    return (root / "kustomization_with_ignore_expected.yaml").read_text(), dump_all(objects)


def all_ignored() -> Said:
    root, tree = in_pkg("resources")
    return [], built(selected(tree), "", read(root / "kustomization.yaml"))


def variables() -> Said:
    root, tree = in_pkg("resources")
    objects = built(tree, "", read(root / "kustomization_varsub.yaml"), found=(root / "configmap.yaml",))
    expected = (root / "kustomization_varsub_expected.yaml").read_text()
    return expected, dump_all(objects)


def variables_strict() -> Said:
    root, tree = in_pkg("varsubstrict")
    unit, found = read(root / "kustomization_varsub.yaml"), (root / "configmap.yaml",)
    return True, refused(lambda: built(tree, "", unit, found=found))


def variables_not_strict() -> Said:
    root, tree = in_pkg("varsubstrict")
    unit, found = read(root / "kustomization_varsub.yaml"), (root / "configmap.yaml",)
    return [None], [obj["data"]["missing"] for obj in built(tree, "", unit, strict=False, found=found)]


def no_variables() -> Said:
    root, tree = in_pkg("varsubalways")
    (obj,) = built(tree, "", read(root / "kustomization_varsub_novars.yaml"))
    return ("${cluster_env:=dev}", "${cluster_region:=eu-central-1}"), in_region(obj)


def no_variables_always() -> Said:
    root, tree = in_pkg("varsubalways")
    unit = read(root / "kustomization_varsub_novars.yaml")
    (obj,) = built(tree, "", {**unit, "spec": {**unit["spec"], "postBuild": {"substituteStrategy": "Always"}}})
    return ("dev", "eu-central-1"), in_region(obj)


def in_region(obj: Object) -> tuple[str, str]:
    """The two values that are substituted."""
    return obj["metadata"]["labels"]["environment"], obj["data"]["region"]


def empty_variables() -> Said:
    root, tree = in_pkg("varsubstrictempty")
    found = (root / "configmap_empty.yaml", root / "secret_empty.yaml")
    (obj,) = built(tree, "", read(root / "kustomization_varsub_empty.yaml"), found=found)
    return {f"from-{place}": None for place in ("inline", "configmap", "secret")}, obj["metadata"]["labels"]


def empty_variables_as_missing_ones() -> Said:
    root, tree = in_pkg("varsubstrictempty")
    found = (root / "configmap_empty.yaml", root / "secret_empty.yaml")
    given = built(tree, "", read(root / "kustomization_varsub_empty.yaml"), found=found)
    return built(tree, "", read(root / "kustomization_varsub_dummy.yaml"), strict=False), given


def nothing_there() -> Said:
    root, tree = in_pkg("empty")
    return [], built(selected(tree, "*"), "", read(root / "empty/ks.yaml"))


def no_resources() -> Said:
    root, tree = in_pkg("noResources")
    return [], built(selected(tree, "ks.yaml"), "", read(root / "noResources/ks.yaml"))


def names() -> Said:
    root, tree = in_pkg("name")
    return ["ConfigMap/test-namespace/prefix-test-configmap-suffix-6b85g79g7g"], named(
        built(tree, "", read(root / "name/ks.yaml"))
    )


def build_metadata() -> Said:
    root, tree = in_pkg("buildMetadata")
    (obj,) = built(tree, "", read(root / "buildMetadata/ks.yaml"))
    return "configuredIn: kustomization.yaml", obj["metadata"]["annotations"]["config.kubernetes.io/origin"].split(
        "\n"
    )[0]


def relative_bases() -> Said:
    _, tree = in_pkg("relbase")
    objects = built(tree, "clusters/staging/flux-system", {})
    return ["Secret/foo/secret", "ConfigMap/foo/cm"], named(objects)


def encrypted_kinds() -> Said:
    _, tree = in_pkg("panic")
    return True, refused(lambda: built(tree, "", {}))


def no_kustomization() -> Said:
    _, tree = in_pkg("nokustomization/resources")
    return ["ConfigMap/foo/cm", "Secret/foo/secret"], named(built(tree, "", {}))


def malformed() -> Said:
    _, tree = in_pkg("nokustomization/panic")
    return True, refused(lambda: built(tree, "", {}))


def ignored_by_default(folder: str) -> Callable[[], Said]:
    def case() -> Said:
        _, tree = in_pkg(f"ignore-tests/{folder}")
        return 1, len(built(tree, "", {}))

    return case


def schemas_of_another_build() -> Said:
    _, first = in_pkg("openapiPollution/pollutor")
    _, second = in_pkg("openapiPollution/victim")
    objects = [*built(first, "", {}), *built(second, "", {})]
    containers = [obj["spec"]["template"]["spec"]["containers"][0] for obj in objects]
    expected = [("nginx:latest", "64Mi"), ("busybox:latest", "64Mi")]
    return expected, [(one["image"], one["resources"]["requests"]["memory"]) for one in containers]


def remote_resource() -> Said:
    """Only handed on there; here the refusal names it, for nothing fetches it."""
    _, tree = in_pkg("remote")
    try:
        built(tree, "", {})
    except RenderProblem as problem:
        return True, "raw.githubusercontent.com/fluxcd/flux2/main/manifests/rbac/controller.yaml" in str(problem)
    return True, False


OF_GENERATOR: list[Callable[[], Said]] = [
    patched, patched_of_what_is_not_ignored, all_ignored, variables, variables_strict, variables_not_strict,
    no_variables, no_variables_always, empty_variables, empty_variables_as_missing_ones, nothing_there, no_resources,
    names, build_metadata, relative_bases, encrypted_kinds, no_kustomization, malformed, ignored_by_default("basic"),
    ignored_by_default("with-sops"), ignored_by_default("with-gitlab-ci"), schemas_of_another_build, remote_resource,
]  # fmt: skip


# --- the controller's folders --------------------------------------------------------------------------------------


def transformed(folder: str, namespace: str) -> Said:
    """What the fields, or objects in files, leave of a quota and a Deployment."""
    found = {
        f"{obj['kind']}/{obj['metadata']['name']}": obj for obj in built(DirTree(corpus(CONTROLLER) / folder), "", {})
    }
    quota, deployment = found["ResourceQuota/test-common-transform"], found["Deployment/test-podinfo-transform"]
    expected = {
        "namespaces": {namespace},
        "made": ["ConfigMap", "Secret"],
        "replaced": "24Gi",
        "marks": ("annotations", "labels"),
        "patches": ("json6902", "1.21.0", "test"),
        "image": "podinfo:6.0.0",
        "replicas": 2,
    }
    pod, marks = deployment["spec"]["template"]["spec"], deployment["metadata"]["labels"]
    return expected, {
        "namespaces": {quota["metadata"]["namespace"], deployment["metadata"]["namespace"]},
        "made": sorted(
            kind
            for name in found
            for kind, start in (("ConfigMap", "test-metas-transform"), ("Secret", "test-secret-transform"))
            if name.startswith(f"{kind}/{start}")
        ),
        "replaced": quota["spec"]["hard"]["limits.memory"],
        "marks": (quota["metadata"]["annotations"]["test"], quota["metadata"]["labels"]["test"]),
        "patches": (marks["patch"], marks["app.kubernetes.io/version"], pod["serviceAccountName"]),
        "image": pod["containers"][0]["image"],
        "replicas": deployment["spec"]["replicas"],
    }


def invalid(folder: str) -> Said:
    """An object without an API version is refused, in a kustomization and beside none."""
    return True, refused(lambda: built(DirTree(corpus(CONTROLLER) / folder), "", {}))


OF_CONTROLLER: list[Callable[[], Said]] = [
    lambda: transformed("transformers", "transformers-inline"),
    lambda: transformed("file-transformer", "transformer-files"),
    lambda: invalid("invalid/plain"),
    lambda: invalid("invalid/overlay"),
]


# --- the command's golden files ------------------------------------------------------------------------------------


def golden(folder: str, result: str, ignore: str = "") -> Said:
    """``flux build kustomization``: the same objects in the same order, but for the values of encrypted Secrets."""
    root = corpus(COMMAND) / "build-kustomization"
    tree: Tree = DirTree(root / folder)
    unit = read_unit(root / "podinfo-kustomization.yaml")
    objects = owned(built(selected(tree, ignore) if ignore else tree, "", unit), unit)
    return compared(root / result, objects)


def recursive() -> Said:
    """``--recursive``: a Kustomization that is built is built, too."""
    root = corpus(COMMAND) / "build-kustomization"
    unit = read_unit(root / "podinfo-kustomization.yaml")
    objects = owned(built(DirTree(root), "podinfo-with-my-app", unit), unit)
    for inner in list(objects):
        if inner["kind"] == "Kustomization":
            objects += owned(built(DirTree(root), str(inner["spec"]["path"]).removeprefix("./"), inner), inner)
    return compared(root / "podinfo-with-my-app-result.yaml", objects)


def substituted() -> Said:
    """``flux envsubst`` over a file of text."""
    root = corpus(COMMAND) / "envsubst"
    return (root / "file.gold").read_text(), substitute((root / "file.yaml").read_text(), {"REPO_NAME": "test"})


def read_unit(path: Path) -> Object:
    """A Kustomization of the command's tests, which are templates."""
    (document,) = parse(path.read_text().replace("{{ .fluxns }}", FLUXNS).encode())
    return cast(Object, document.value)


def owned(objects: list[Object], unit: Object) -> list[Object]:
    """With the labels that the controller puts on everything that it applies."""
    return [rules.mark(obj, Kustomization.parse(unit)) for obj in objects]


def compared(result: Path, objects: list[Object]) -> Said:
    text = result.read_text().replace("{{ .fluxns }}", FLUXNS)
    expected = [cast(Object, document.value) for document in parse(text.encode())]
    hidden = {name(obj) for obj in expected if any(mask in json.dumps(obj) for mask in MASKED)}
    return [shown(obj, hidden) for obj in expected], [shown(obj, hidden) for obj in objects]


def shown(obj: Object, hidden: set[str]) -> str:
    """An object without its values, if they are hidden in what the command prints."""
    out = {key: value for key, value in obj.items() if key != "sops"}
    if name(obj) in hidden:
        out = {key: sorted(value) if key in ("data", "stringData") else value for key, value in out.items()}
    return json.dumps(out, sort_keys=True)


def name(obj: Object) -> str:
    return f"{obj['kind']}/{obj['metadata']['name']}"


OF_COMMAND: list[Callable[[], Said]] = [
    lambda: golden("podinfo", "podinfo-result.yaml"),
    lambda: golden("delete-service", "podinfo-without-service-result.yaml"),
    lambda: golden("var-substitution", "podinfo-with-var-substitution-result.yaml"),
    lambda: golden("ignore", "podinfo-with-ignore-result.yaml", "!configmap.yaml\n!secret.yaml"),
    recursive,
    substituted,
]


@pytest.mark.parametrize(
    ("title", "cases"),
    [
        ("Flux's generator", OF_GENERATOR),
        ("the folders of Flux's kustomize controller", OF_CONTROLLER),
        ("flux build and envsubst", OF_COMMAND),
    ],
    ids=["generator", "controller", "command"],
)
def test_flux_builds_its_own_folders(title: str, cases: list[Callable[[], Said]]) -> None:
    """Every folder of Flux's own tests comes to the objects, the text or the refusal that its tests ask for."""
    outcomes = [case() for case in cases]
    wrong = [(expected, actual) for expected, actual in outcomes if expected != actual]
    print(f"{title}: {len(outcomes) - len(wrong)} of {len(outcomes)}")
    assert [expected for expected, _ in wrong] == [actual for _, actual in wrong]
