"""One renderer for all tests of this room: its worker processes are the slow part."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trueup.render.render import Render


@pytest.fixture(scope="session")
def shared_renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Render]:
    """A renderer."""
    made = Render(tmp_path_factory.mktemp("render"))
    yield made
    made.close()


@pytest.fixture
def fresh_renderer(tmp_path: Path) -> Iterator[Render]:
    """A renderer that remembers nothing yet."""
    made = Render(tmp_path / "render", workers=1)
    yield made
    made.close()
