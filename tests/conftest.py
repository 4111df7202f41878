"""Options of the whole suite."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import settings

COUNTED = re.compile(r"\b\d+ of \d+\b")
"""How a test against somebody else's data says how much of it holds."""

settings.register_profile("trueup", deadline=None)  # a busy machine is no failure
settings.load_profile("trueup")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kubeconfig FILE``: run the suites that can also against a genuine Kubernetes, in namespaces of their own.

    ``--matrix``: with what takes minutes, for the whole table of clients. ``--corpora``: only the tests that read other
    projects' test data (see `tests.corpora`); at the end stands what they count, ``N of N``, and what they leave out.
    """
    parser.addoption("--kubeconfig", default="", help="kubeconfig of a genuine Kubernetes to test against as well")
    parser.addoption("--corpora", action="store_true", help="run what tests against corpora alone, and show its counts")
    parser.addoption("--sequences", default="60", help="how many random sequences of calls two servers are compared by")
    parser.addoption("--overlays", default="20", help="how many made-up kustomizations to build beside `kustomize`")
    parser.addoption("--seed", default="0", help="the first of them")
    parser.addoption("--fuzz", default="0", help="seconds to make up requests from the published OpenAPI documents for")
    parser.addoption("--matrix", action="store_true", help="also test what takes minutes of clients and repositories")
    parser.addoption("--kopf-examples", default="", help="folder `examples` of github.com/nolar/kopf, to run them too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that name a corpus, where ``--corpora`` asks for them."""
    if not config.getoption("--corpora"):
        return
    kept = [item for item in items if "corpus" in vars(getattr(item, "module", item))]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The lines that say ``N of N``, and why what is left out is."""
    if config.getoption("--corpora"):
        terminalreporter.section("corpora")
        for line in sorted(_counted(terminalreporter)):
            terminalreporter.write_line(line)


def _counted(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            test = report.nodeid.rpartition("::")[2]
            for line in report.capstdout.splitlines():
                if COUNTED.search(line) or "left out" in line:
                    named = re.match(r"\s*\d+ of", line) is None
                    yield line.strip() if named else f"{test}: {line.strip()}"
