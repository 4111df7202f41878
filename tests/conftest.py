"""Options of the whole suite."""

import pytest
from hypothesis import settings

settings.register_profile("trueup", deadline=None)  # a busy machine is no failure
settings.load_profile("trueup")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kubeconfig FILE``: run the suites that can also against a genuine Kubernetes, in namespaces of their own.

    ``--matrix``: with what takes minutes, for the whole table of clients.
    """
    parser.addoption("--kubeconfig", default="", help="kubeconfig of a genuine Kubernetes to test against as well")
    parser.addoption("--matrix", action="store_true", help="also test what takes minutes of clients and repositories")
