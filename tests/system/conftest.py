"""A namespace of a test's own in the one cluster that the tests of clients share."""

import re
import uuid

import pytest

from trueup.testing import Cluster


@pytest.fixture
def namespace(shared_cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Its name; there is a service account in it already, so that pods may be made."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    name = f"{words[:50].strip('-')}-{uuid.uuid4().hex[:6]}"
    shared_cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    shared_cluster.wait("serviceaccount", "default", lambda found: True, namespace=name)
    return name
