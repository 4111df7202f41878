"""Options of the whole suite."""

import pytest
from hypothesis import settings

settings.register_profile("trueup", deadline=None)  # a busy machine is no failure
settings.load_profile("trueup")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kubeconfig FILE``: run the suites that can also against a genuine Kubernetes, in namespaces of their own."""
    parser.addoption("--kubeconfig", default="", help="kubeconfig of a genuine Kubernetes to test against as well")
