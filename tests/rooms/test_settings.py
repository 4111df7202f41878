"""What the command line's words mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.settings import parse_listen, parse_mapping, parse_shards


@pytest.mark.parametrize(("text", "expected"), [("off", None), ("auto", 0), ("3", 3)])
def test_shards(text: str, expected: int | None) -> None:
    """How many replicas may work."""
    assert expected == parse_shards(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "many"])
def test_shards_that_are_none(text: str) -> None:
    """The word is named."""
    with pytest.raises(ValueError, match="--shards"):
        parse_shards(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        (":8080", ("127.0.0.1", 8080)),
        ("0", ("127.0.0.1", 0)),
        ("[::1]:443", ("::1", 443)),
    ],
)
def test_listen(text: str, expected: tuple[str, int]) -> None:
    """A missing host is this machine alone."""
    assert expected == parse_listen(text)


@pytest.mark.parametrize("text", ["here", "localhost:", "localhost:70000"])
def test_listen_that_is_no_address(text: str) -> None:
    """The text is named."""
    with pytest.raises(ValueError, match="is no address"):
        parse_listen(text)


def test_mapping(tmp_path: Path) -> None:
    """URLs may hold equals signs, folders must be there."""
    url = "https://git.example.com/a.git?x=y"
    assert {url: tmp_path.resolve()} == parse_mapping((f"{url}={tmp_path}",))
    for wrong in ("https://git.example.com/a.git", f"={tmp_path}"):
        with pytest.raises(ValueError, match="is no mapping"):
            parse_mapping((wrong,))
    with pytest.raises(ValueError, match="there is no folder"):
        parse_mapping((f"{url}={tmp_path}/nothing",))
