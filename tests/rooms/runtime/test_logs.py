"""Logs: JSON or text, facts along, secrets blotted out."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from trueup.runtime.logs import hide, set_up


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """trueup's logger, left as it was."""
    logger = logging.getLogger("trueup")
    before = (list(logger.handlers), logger.propagate, logger.level)
    yield logger
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def test_a_pipe_gets_json(root: logging.Logger) -> None:
    """One object a line, with the facts that went along."""
    out = io.StringIO()
    set_up("info", stream=out)
    logging.getLogger("trueup.x").info("done", extra={"controller": "app", "duration": 0.5, "token": "t0p"})
    line = json.loads(out.getvalue())
    assert (line["level"], line["logger"], line["message"]) == ("info", "trueup.x", "done")
    assert (line["controller"], line["duration"], line["token"]) == ("app", 0.5, "***")


def test_text_names_facts(root: logging.Logger) -> None:
    """``name=value`` behind the message; a traceback below."""
    out = io.StringIO()
    set_up("debug", form="text", stream=out)
    try:
        raise ZeroDivisionError("https://u:p@host/x")
    except ZeroDivisionError:
        logging.getLogger("trueup.runtime").exception("bad", extra={"unit": "Application/argocd/shop"})
    first, *rest = out.getvalue().splitlines()
    assert first.endswith("error   runtime bad unit=Application/argocd/shop")
    assert rest[-1] == "ZeroDivisionError: https://***@host/x"


def test_quiet_levels_are_left_out(root: logging.Logger) -> None:
    """Debug lines do not appear at info."""
    out = io.StringIO()
    set_up("info", stream=out)
    logging.getLogger("trueup.x").debug("whisper")
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clone https://bob:s3cret@git.example.com/r.git", "clone https://***@git.example.com/r.git"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "***"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ.c2ln back", "got *** back"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ", "***"),
        ("GET /x?token=abc&y=1", "GET /x?token=***&y=1"),
        ("nothing to hide at 10:30", "nothing to hide at 10:30"),
    ],
)
def test_secrets_are_blotted_out(text: str, expected: str) -> None:
    """Whatever the message brings along."""
    assert hide(text) == expected
