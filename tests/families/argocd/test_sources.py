"""A source entry names what to fetch and what the tool is told."""

from typing import Any

import pytest

from trueup.families.argocd import environment
from trueup.families.argocd.sources import git_spec, is_range, kustomize_edits, options_of, tool_of
from trueup.families.argocd.types import Application, Source, parse_options, parse_policy


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("HEAD", False), ("main", False), ("v1.2.3", False), ("1.2.3", False), ("feature/x", False),
        ("1.x", True), ("1.2.*", True), (">=1.0.0", True), ("~1.2", True), ("^2", True), (">=1.0.0, <2.0.0", True),
        ("0123456789abcdef0123456789abcdef01234567", False),
    ],
)  # fmt: skip
def test_ranges_are_told_from_names(revision: str, expected: bool) -> None:
    """Only a semver constraint is a range; versions, branches and commits are names."""
    assert is_range(revision) == expected


def test_ranges_and_names_become_specs() -> None:
    """A range asks for tags, a name for itself, nothing for HEAD."""
    specs = [git_spec(Source.parse({"repoURL": "u", "targetRevision": r})) for r in ("1.x", "main", None)]

    assert [(spec.semver, spec.ref) for spec in specs] == [("1.x", "HEAD"), ("", "main"), ("", "HEAD")]


def test_labels_go_with_or_without_selectors() -> None:
    """What is said of labels is handed on with them."""
    raw: dict[str, Any] = {"commonLabels": {"a": "b"}, "labelWithoutSelector": True, "forceCommonLabels": True}

    assert kustomize_edits(raw, {}) == raw


def test_tools_are_named_by_their_block() -> None:
    """No block leaves the tool to detection, which a chart would need a release name for."""
    source = Source.parse({"repoURL": "u", "path": "p"})

    assert tool_of(source) == ""
    assert options_of(source, release="web", namespace="n", environment={}) == {"releaseName": "web", "namespace": "n"}
    assert tool_of(Source.parse({"repoURL": "u", "directory": {"recurse": True}})) == "directory"


def test_the_build_environment_is_put_in_where_argocd_puts_it_in() -> None:
    """Value files, parameters, images, labels and jsonnet variables; not values, nor annotations unless told."""
    app = Application.parse(
        {
            "metadata": {"name": "web", "namespace": "argocd"},
            "spec": {"destination": {"namespace": "shop"}, "project": "p"},
        }
    )
    helm = {
        "valueFiles": ["$values/$ARGOCD_APP_NAME.yaml", "x-${ARGOCD_APP_NAMESPACE}.yaml"],
        "parameters": [{"name": "rev", "value": "$ARGOCD_APP_REVISION_SHORT"}],
        "values": "a: $ARGOCD_APP_NAME",
    }
    source = Source.parse({"repoURL": "u", "path": "p", "helm": helm})
    names = environment.of(app, source, "web", "0123456789abcdef")
    found = options_of(source, release="web", namespace="shop", environment=names)

    assert found["valueFiles"] == ["$values/web.yaml", "x-shop.yaml"]
    assert found["parameters"] == [{"name": "rev", "value": "0123456"}]
    assert found["values"] == "a: $ARGOCD_APP_NAME"
    assert environment.names_revision(source)
    raw = {
        "images": ["a:$ARGOCD_APP_NAME"],
        "commonAnnotations": {"n": "$ARGOCD_APP_NAME"},
        "commonLabels": {"l": "${ARGOCD_APP_NAME}"},
    }
    assert kustomize_edits(raw, names) == {
        "images": ["a:web"],
        "commonAnnotations": {"n": "$ARGOCD_APP_NAME"},
        "commonLabels": {"l": "web"},
    }
    assert kustomize_edits({**raw, "commonAnnotationsEnvsubst": True}, names)["commonAnnotations"] == {"n": "web"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$A-${A}", "1-1"), ("$$A", "$A"), ("$nobody.", "."), ("5 $ only", "5 $ only"), ("${}x", "x"), ("$AB", "")],
)
def test_variables_expand_as_go_expands_them(text: str, expected: str) -> None:
    """What nobody knows becomes nothing, a doubled dollar one."""
    assert environment.expand(text, {"A": "1"}) == expected


def test_policies_and_options_are_parsed() -> None:
    """`enabled: false` switches automation off; an option without a value is true."""
    assert parse_policy({"automated": {"enabled": False}}).automated is None
    assert parse_options(["Prune=false", "ServerSideApply"]) == {"Prune": "false", "ServerSideApply": "true"}


def test_flags_of_kustomize_come_from_the_settings() -> None:
    """Of all kustomizations, or of a version that the source names; a chart is told none."""
    data = {"kustomize.buildOptions": "--enable-helm", "kustomize.buildOptions.v4.5.7": "--reorder none"}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "data": data}

    def flags(raw: dict[str, Any]) -> object:
        source = Source.parse({"repoURL": "u", "path": "web", **raw})
        options = options_of(source, release="web", namespace="n", environment={}, settings=settings)
        return options.get("buildOptions")

    found = [flags({}), flags({"kustomize": {"namePrefix": "a-"}}), flags({"kustomize": {"version": "v4.5.7"}})]
    assert found == ["--enable-helm", "--enable-helm", "--reorder none"]
    assert flags({"helm": {"releaseName": "x"}}) is None
