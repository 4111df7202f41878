"""What an Application's chart is fetched as, and with whose credentials."""

import base64
from typing import Any

import pytest

from trueup.delivery.request import Repository
from trueup.families.argocd.charts import Repositories, is_chart, schemes
from trueup.families.argocd.types import Source
from trueup.kube.names import Object
from trueup.ports import ChartSpec, SourceProblem


def secret(url: str, what: str = "repository", **data: str) -> Object:
    """A repository Secret, or a template of credentials."""
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in {"url": url, **data}.items()}
    return {"metadata": {"labels": {"argocd.argoproj.io/secret-type": what}}, "data": encoded}


HELM = secret("https://charts.example.com/stable", name="stable", type="helm", password="helm", insecure="true")
OCI = secret("registry.example.com/charts", name="oci", enableOCI="true", password="oci", insecureOCIForceHttp="true")
WIDE = secret("https://charts.example.com", "repo-creds", password="wide")
THEIRS = secret("https://theirs.example.com", name="theirs", password="x", project="theirs")
CERTIFICATES: Object = {"data": {"charts.example.com": "PEM", "registry.example.com": "PEM"}}
KNOWN = Repositories([HELM, OCI, WIDE, THEIRS], "ours", CERTIFICATES)


def spec(version: str = "", **source: Any) -> ChartSpec:
    return KNOWN.spec(Source.parse(source), version)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"repoURL": "https://charts.example.com/stable", "chart": "web"},
            ("https://charts.example.com/stable", "web"),
        ),
        ({"repoURL": "registry.example.com/charts", "chart": "web"}, ("oci://registry.example.com/charts", "web")),
        ({"repoURL": "registry:5000/a", "chart": "b/web"}, ("oci://registry:5000/a", "b/web")),
        ({"repoURL": "oci://ghcr.io/org/charts/web", "path": "."}, ("oci://ghcr.io/org/charts/web", "")),
        ({"repoURL": "oci://ghcr.io/org/charts/web", "chart": "web"}, ("oci://ghcr.io/org/charts/web", "")),
        ({"repoURL": "oci://ghcr.io/org/charts", "chart": "web"}, ("oci://ghcr.io/org/charts", "web")),
    ],
)
def test_a_source_names_a_repository_or_a_place_in_a_registry(
    source: dict[str, Any], expected: tuple[str, str]
) -> None:
    """A registry needs no scheme; with one, the URL is the artifact's own."""
    found = spec(**source, targetRevision="^1")
    assert is_chart(Source.parse(source))
    assert (found.url, found.chart) == expected
    assert (found.version, spec("1.2.3", **source).version) == ("^1", "1.2.3")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (
            "https://charts.example.com/stable",
            ("https://charts.example.com/stable", {"password": b"helm", "insecure": b"true", "ca.crt": b"PEM"}),
        ),
        (
            "https://charts.example.com/other",
            ("https://charts.example.com/other", {"password": b"wide", "ca.crt": b"PEM"}),
        ),
        ("@oci", ("oci://registry.example.com/charts", {"password": b"oci", "plainHTTP": b"true", "ca.crt": b"PEM"})),
        (
            "oci://registry.example.com/charts/team",
            ("oci://registry.example.com/charts/team", {"password": b"oci", "plainHTTP": b"true", "ca.crt": b"PEM"}),
        ),
        ("https://theirs.example.com", ("https://theirs.example.com", {})),
        ("oci://registry.example.com.evil.com/charts", ("oci://registry.example.com.evil.com/charts", {})),
    ],
)
def test_a_repository_is_opened_with_what_is_known_of_it(named: str, expected: tuple[str, dict[str, bytes]]) -> None:
    """By URL, by name, by the place around it in the same registry; another host or project is shown nothing."""
    assert KNOWN.of(named) == Repository(*expected)


@pytest.mark.parametrize("named", ["@nobody", "alias:nobody", "@theirs"])
def test_a_name_that_no_secret_has_is_refused(named: str) -> None:
    """As is one of another project."""
    with pytest.raises(SourceProblem, match="no repository definition"):
        KNOWN.of(named)


def test_schemes_of_values_files_are_those_of_the_settings() -> None:
    """Both of the web, unless told otherwise."""
    told: Object = {"data": {"helm.valuesFileSchemes": "https, s3"}}
    nothing: Object = {"data": {"helm.valuesFileSchemes": ""}}
    assert [schemes(None), schemes(told), schemes(nothing)] == [("https", "http"), ("https", "s3"), ()]
