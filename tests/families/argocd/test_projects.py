"""What projects allow, against the tables of Argo CD's own tests, and when their windows are open."""

import json
from typing import Any

import pytest

from tests.corpora import corpus
from trueup.families.argocd import globs, projects, windows
from trueup.families.argocd.types import Application
from trueup.kube.names import Kind, Ref
from trueup.timing.rfc3339 import parse_time

HERE = projects.Place("https://kubernetes.default.svc", "in-cluster")
HOME = "argocd"


def app(namespace: str = HOME, **destination: str) -> Application:
    where = destination or {"server": HERE.server, "namespace": "web"}
    source = {"repoURL": "https://git/x.git", "path": "app"}
    return Application.parse(
        {"metadata": {"name": "web", "namespace": namespace}, "spec": {"source": source, "destination": where}}
    )


def rows(name: str, *tests: str) -> list[dict[str, Any]]:
    """The rows of some of Argo CD's table tests."""
    lines = corpus(f"extracted/go-tables/argoproj+argo-cd__{name}.jsonl").read_text().splitlines()
    return [row["case"] for row in map(json.loads, lines) if row.get("test") in tests]


def test_sources_are_permitted_as_argocd_permits_them() -> None:
    """Every row of its tables, refusals too."""
    cases = rows(
        "pkg__apis__application__v1alpha1",
        "TestAppProject_IsSourcePermitted",
        "TestAppProject_IsNegatedSourcePermitted",
    )
    wrong = [
        case for case in cases
        if projects.allows_source({"sourceRepos": case["projSources"]}, case["appSource"]) != case["isPermitted"]
    ]  # fmt: skip

    print(f"{len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == []


def test_destinations_are_permitted_as_argocd_permits_them() -> None:
    """Every row of its tables, refusals too."""
    cases = rows(
        "pkg__apis__application__v1alpha1",
        "TestAppProject_IsDestinationPermitted",
        "TestAppProject_IsNegatedDestinationPermitted",
    )
    wrong = []
    for case in cases:
        entries = [{name.lower(): value for name, value in entry.items()} for entry in case["projDest"]]
        place = projects.Place(case["appDest"].get("Server", ""), case["appDest"].get("Name", ""))
        if (
            projects.allows_destination({"destinations": entries}, place, case["appDest"]["Namespace"])
            != case["isPermitted"]
        ):
            wrong.append(case)

    print(f"{len(cases) - len(wrong)} of {len(cases)}")
    assert wrong == []


def test_globs_match_as_argocd_has_them_match() -> None:
    """Every row of its tables that needs no Go."""
    cases = rows("util__glob", "Test_Match", "Test_MatchWithError")
    wrong = [case for case in cases if globs.matches(case["pattern"], case["input"]) != case["result"]]
    lists = [case for case in rows("util__glob", "Test_MatchList") if case["patternMatch"] == "regexp"]
    wrong += [case for case in lists if globs.any_matches(case["list"], case["input"]) != case["result"]]

    print(f"{len(cases) + len(lists) - len(wrong)} of {len(cases) + len(lists)}")
    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("https://git/*", "https://git/a/b", False),
        ("https://git/**", "https://git/a/b", True),
        ("https://{git,hub}/a", "https://hub/a", True),
        ("https://git/[a-c]", "https://git/b", True),
        ("https://git/[!a-c]", "https://git/b", False),
        ("https://git/?", "https://git/b", True),
        ("https://git/{a", "https://git/a", False),
    ],
)
def test_globs_know_separators_braces_and_classes(pattern: str, text: str, expected: bool) -> None:
    """As gobwas/glob does; a pattern that is none matches nothing."""
    assert globs.matches(pattern, text, "/") == expected


def test_repositories_are_compared_in_one_form() -> None:
    """Case, ``.git`` and the two ways to write ssh do not matter."""
    assert globs.repository("git@GitHub.com:Org/Repo.git") == globs.repository("ssh://git@github.com/org/repo")
    assert globs.repository("https://github.com/org/repo.git") == "https://github.com/org/repo"


def test_projects_bound_sources_destinations_and_kinds() -> None:
    """What a project does not list is refused by name."""
    spec = {
        "sourceRepos": ["https://git/other.git"],
        "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "web-*"}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}],
        "clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "web-*"}],
    }
    secret = Ref(Kind("", "v1", "Secret"), "web-1", "s")
    role = Ref(Kind("rbac.authorization.k8s.io", "v1", "ClusterRole"), "", "r")
    allowed, refused = (Ref(Kind("", "v1", "Namespace"), "", name) for name in ("web-1", "other"))
    config = Ref(Kind("", "v1", "ConfigMap"), "elsewhere", "c")

    assert projects.problems(app(), spec, HERE, HOME) == [
        "application repo https://git/x.git is not permitted in project 'default'",
        "application destination server 'https://kubernetes.default.svc' and namespace 'web' "
        "do not match any of the allowed destinations in project 'default'",
    ]
    assert projects.permits(app(), spec, HERE, secret, True) == "resource :Secret is not permitted in project default"
    assert "ClusterRole is not permitted" in projects.permits(app(), spec, HERE, role, False)
    assert projects.permits(app(), spec, HERE, allowed, False) == ""
    assert "Namespace is not permitted" in projects.permits(app(), spec, HERE, refused, False)
    assert (
        projects.permits(app(), spec, HERE, config, True) == "namespace elsewhere is not permitted in project 'default'"
    )


def test_a_project_that_bounds_nothing_is_known() -> None:
    """Nothing has to be asked of it for each object; any list or refusal counts."""
    free = projects.EVERYTHING

    assert projects.unbounded(free)
    assert not projects.unbounded(None)
    assert not projects.unbounded({**free, "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]})
    assert not projects.unbounded({**free, "namespaceResourceWhitelist": []})
    assert not projects.unbounded({**free, "clusterResourceWhitelist": []})
    assert not projects.unbounded({**free, "destinations": [*free["destinations"], {"server": "*", "namespace": "!a"}]})
    assert not projects.unbounded({**free, "destinations": [{"server": "*", "namespace": "*", "name": "!far"}]})


def test_a_project_says_from_which_namespaces_it_may_be_used() -> None:
    """Applications beside the controllers always may; a project that does not exist may not be used at all."""
    spec = {**projects.EVERYTHING, "sourceNamespaces": ["team-*", "/^ops$/"]}

    assert projects.problems(app(), {**spec, "sourceNamespaces": []}, HERE, HOME) == []
    assert projects.problems(app("team-a"), spec, HERE, HOME) == []
    assert projects.problems(app("ops"), spec, HERE, HOME) == []
    assert projects.problems(app("other"), spec, HERE, HOME) == [
        "application 'web' in namespace 'other' is not permitted to use project 'default'"
    ]
    assert projects.problems(app(), None, HERE, HOME) == [
        "Application referencing project default which does not exist"
    ]


NIGHT = {"kind": "allow", "schedule": "0 22 * * *", "duration": "2h", "applications": ["*"]}
LUNCH = {"kind": "deny", "schedule": "0 12 * * *", "duration": "1h", "namespaces": ["web"]}


@pytest.mark.parametrize(
    ("window", "at", "manual", "expected"),
    [
        ({}, "12:30", False, False),
        ({}, "14:00", False, False),
        ({}, "22:30", False, True),
        ({"kind": "deny"}, "22:30", False, False),
        ({"kind": "deny"}, "14:00", False, True),
        ({"manualSync": True}, "14:00", True, True),
        ({"manualSync": True}, "14:00", False, False),
        ({"applications": ["other"]}, "14:00", False, True),
        ({"timeZone": "Europe/Paris"}, "21:30", False, True),
        ({"timeZone": "Europe/Paris"}, "23:30", False, False),
        ({"andOperator": True, "namespaces": ["other"]}, "14:00", False, True),
        ({"andOperator": True, "clusters": ["https://kubernetes.*"]}, "14:00", False, False),
    ],
)
def test_windows_say_when_to_sync(window: dict[str, Any], at: str, manual: bool, expected: bool) -> None:
    """Outside of every allow window and inside of any deny window nothing is synced, but by hand where that is allowed."""
    found = windows.of(app(), [{**NIGHT, **window}])

    assert windows.may_sync(found, parse_time(f"2026-01-15T{at}:00Z"), manual=manual) == expected


def test_a_denial_wins_and_a_sync_under_way_may_run_over() -> None:
    """``syncOverrun`` lets end what began while it was allowed."""
    noon, before = parse_time("2026-01-15T12:30:00Z"), parse_time("2026-01-15T11:59:00Z")
    both = windows.of(app(), [{**NIGHT, "schedule": "0 11 * * *"}, LUNCH])
    over = windows.of(app(), [{**LUNCH, "syncOverrun": True}])

    assert len(both) == 2
    assert not windows.may_sync(both, noon, manual=False)
    assert not windows.may_sync(both, noon, manual=False, started=before)
    assert windows.may_sync(over, noon, manual=False, started=before)
    assert not windows.may_sync(over, noon, manual=False, started=noon - 60)
    with pytest.raises(ValueError, match="no duration"):
        windows.may_sync(windows.of(app(), [{**LUNCH, "duration": "long"}]), noon, manual=False)
