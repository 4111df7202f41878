"""A hub in memory, and its wire: in process for what the answers say, over TLS for what the connection does."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rooms.apiserver.web import Clock, Web
from trueup.apiserver.asgi import Application
from trueup.apiserver.auth import Authenticator
from trueup.apiserver.hub import Hub
from trueup.apiserver.inprocess import InProcessClient
from trueup.apiserver.opening import open_hub
from trueup.apiserver.rbac import Authorizer
from trueup.apiserver.users import ADMIN
from trueup.kube.types import load
from trueup.store.log import MemoryLog
from trueup.store.state import Store


@pytest.fixture
def clock() -> Clock:
    """Time that stands still until a test moves it."""
    return Clock()


@pytest.fixture
async def hub(clock: Clock) -> AsyncIterator[Hub]:
    """A fresh cluster without its wire."""
    made = await open_hub(Store(MemoryLog()), load(), clock)
    yield made
    await made.close()


@pytest.fixture
def client(hub: Hub) -> InProcessClient:
    """Its administrator, in process."""
    return InProcessClient(hub)


@pytest.fixture
def application(hub: Hub) -> Application:
    """Its wire, as ASGI."""
    return Application(hub, Authenticator({"secret": ADMIN}, None, hub.clock.now), Authorizer(hub.store))


@pytest.fixture
def web(application: Application) -> Web:
    """Its administrator, asking through ASGI without a network."""
    return Web(application)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for loopback."""
    from trueup.apiserver import pki

    folder = tmp_path_factory.mktemp("pki")
    pki.prepare(folder, ["127.0.0.1", "localhost"], time.time())
    return folder
