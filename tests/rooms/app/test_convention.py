"""Where `trueup up` begins in a repository, by how it is laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.app.bootstrap import objects, start_of
from trueup.app.convention import Beginning, beginning
from trueup.ports import SourceProblem
from trueup.source.tree import DirTree

KUSTOMIZATION = "kind: Kustomization\nresources: []\n"
ANYTHING = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n"


def flux(name: str, path: str, source: str = "flux-system") -> str:
    return (
        "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        f"metadata: {{name: {name}, namespace: flux-system}}\n"
        f"spec: {{path: {path}, sourceRef: {{kind: GitRepository, name: {source}}}}}\n"
    )


def repository(name: str) -> str:
    return (
        "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
        f"metadata: {{name: {name}, namespace: flux-system}}\nspec: {{url: https://git.example.com/a.git}}\n"
    )


def application(name: str, path: str) -> str:
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\n"
        f"spec: {{source: {{repoURL: https://git.example.com/a.git, path: {path}}}}}\n"
    )


def begin(folder: Path, files: dict[str, str], asked: str = "") -> Beginning:
    for path, text in files.items():
        at = folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
    return beginning(DirTree(folder), asked, "https://git.example.com/a.git")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"kustomization.yaml": KUSTOMIZATION, "clusters/a/a.yaml": ANYTHING}, ""),
        ({"clusters/home/a.yaml": ANYTHING, "apps/a.yaml": ANYTHING}, "clusters/home"),
        ({"deploy/a.yaml": ANYTHING, "kustomize/kustomization.yaml": KUSTOMIZATION}, "kustomize"),
        ({"manifests/a.yaml": ANYTHING, "src/a.yaml": ANYTHING}, "manifests"),
        ({"a.yaml": ANYTHING}, ""),
        ({"k/flux/ks.yaml": flux("apps", "./k/apps"), "k/apps/a/ks.yaml": flux("a", "./k/apps/a/app")}, "k/flux"),
        ({"k/flux/config/c.yaml": flux("cluster", "./k/flux"), "k/flux/apps.yaml": flux("apps", "./k/apps"),
          "k/apps/a/ks.yaml": flux("a", "./k/apps/a/app")}, "k/flux/config"),
        ({"root/app.yaml": application("root", "children"), "children/a.yaml": application("a", "charts/a")}, "root"),
    ],
    ids=["top", "cluster", "kustomization", "named", "plain", "flux", "manages-itself", "app-of-apps"],
)  # fmt: skip
def test_it_begins_where_convention_says(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """The top's kustomization, the only cluster, the units that bring all others, the usual names, the top."""
    assert begin(tmp_path, files).folder == expected


def test_several_clusters_are_a_choice(tmp_path: Path) -> None:
    """Nobody can know which of them this is to be; the answer names them."""
    with pytest.raises(SourceProblem, match=r"choose one by --path \(clusters/production, clusters/staging\)"):
        begin(tmp_path, {"clusters/production/a.yaml": ANYTHING, "clusters/staging/a.yaml": ANYTHING})


def test_applications_all_over_the_tree_are_taken_one_by_one(tmp_path: Path) -> None:
    """Charts and manifests beside them are left to the Applications; an Application of the files is what begins."""
    files = {
        "one/app.yaml": application("one", "one/manifests"),
        "two/app.yaml": application("two", "two/chart"),
        "two/chart/Chart.yaml": "name: two\nversion: 1.0.0\n",
        "two/chart/templates/a.yaml": "kind: {{ .Values.kind }}\n",
    }
    found = begin(tmp_path, files)

    assert found.files == ("one/app.yaml", "two/app.yaml")
    made = objects(start_of(str(tmp_path), {}), found)[-1]
    assert made["spec"]["source"]["directory"] == {"recurse": True, "include": "{one/app.yaml,two/app.yaml}"}


def test_a_folder_of_more_than_objects_is_not_taken_for_its_name(tmp_path: Path) -> None:
    """When there are Applications to begin with instead."""
    files = {
        "argocd/one/app.yaml": application("one", "manifests"),
        "argocd/two/app.yaml": application("two", "manifests"),
        "argocd/pulumi/settings.yaml": "config: {}\n",
    }

    assert begin(tmp_path, files).files == ("argocd/one/app.yaml", "argocd/two/app.yaml")
    (tmp_path / "argocd/pulumi/settings.yaml").unlink()
    assert begin(tmp_path, {}).folder == "argocd"


def test_the_repository_that_flux_bootstrap_would_make_is_made(tmp_path: Path) -> None:
    """Example repositories name flux-system and leave its definition to `flux bootstrap`."""
    found = begin(tmp_path, {"clusters/home/apps.yaml": flux("apps", "./apps")})
    made = [o["metadata"] for o in objects(start_of(str(tmp_path), {}), found) if o["kind"] == "GitRepository"]

    assert made == [
        {"name": "source", "namespace": "trueup-system"},
        {"name": "flux-system", "namespace": "flux-system"},
    ]


def test_a_repository_that_defines_its_source_is_left_alone(tmp_path: Path) -> None:
    """Whatever file that is in."""
    files = {"clusters/home/apps.yaml": flux("apps", "./apps"), "clusters/home/f/sync.yaml": repository("flux-system")}

    assert not begin(tmp_path, files).flux_system


@pytest.mark.parametrize(("text", "waits"), [(ANYTHING, True), (flux("apps", "./apps"), False)], ids=["web", "units"])
def test_what_judges_itself_is_not_waited_for(tmp_path: Path, text: str, waits: bool) -> None:
    """The beginning is healthy when what it applied is; units of their own say for themselves how they are."""
    found = begin(tmp_path, {"manifests/a.yaml": text})

    assert objects(start_of(str(tmp_path), {}), found)[2]["spec"]["wait"] == waits


def test_a_chart_is_delivered_as_one(tmp_path: Path) -> None:
    """By an Application, for a Kustomization cannot."""
    found = begin(tmp_path, {"charts/a/Chart.yaml": "name: a\nversion: 1.0.0\n"}, "charts/a")
    made = objects(start_of(str(tmp_path), {}), found)[-1]

    assert (made["kind"], made["spec"]["source"]["path"]) == ("Application", "charts/a")
    assert made["spec"]["source"]["helm"] == {"releaseName": "a"}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(SourceProblem, match="has no folder nowhere"):
        begin(tmp_path, {"a.yaml": ANYTHING}, "nowhere")


def test_a_mapped_folder_goes_by_the_url_that_it_answers(tmp_path: Path) -> None:
    """So what names the URL and the beginning share one source."""
    assert start_of(str(tmp_path), {"https://git.example.com/a.git": tmp_path}).url == "https://git.example.com/a.git"
