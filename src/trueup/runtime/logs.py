"""Structured logs: a line of text on a terminal, a JSON object otherwise. Set up once by the `app` room; rooms use ``logging``.

Facts go along as ``extra={"controller": ..., "unit": ...}``. What looks like a secret is blotted out of the finished line,
wherever it came from: credentials in URLs, tokens in headers, private keys, fields with a telling name.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TELLING = re.compile(
    r"(?i)(pass(word|wd|phrase)?|token|secret|authorization|api[-_]?key|private[-_]?key|credential|cookie)s?$"
)
_BLOT = "***"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # https://user:password@host, https://token@host
    (re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@\"'<>]+@"), r"\g<scheme>" + _BLOT + "@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 " + _BLOT),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), _BLOT),
    # a JSON web token, a GitHub token, a GitLab token
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), _BLOT),
    (re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{10,})"), _BLOT),
    (re.compile(r"(?i)([?&](?:access_token|token|password|private_token|signature)=)[^&\s\"']+"), r"\1" + _BLOT),
)
_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31;1m"}


def set_up(
    level: str = "info", *, form: Literal["auto", "text", "json"] = "auto", stream: TextIO | None = None
) -> logging.Handler:
    """Send trueup's logs to a stream (standard error); answers the handler, for a test to take away again."""
    out = stream or sys.stderr
    text = form == "text" or (form == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(TextForm(colour=out.isatty()) if text else JsonForm())
    root = logging.getLogger("trueup")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(level.upper())
    return handler


def hide(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What went along with a record, secrets blotted out."""
    return {
        name: _BLOT if _TELLING.search(name) else hide(value) if isinstance(value, str) else value
        for name, value in vars(record).items()
        if name not in _PLAIN
    }


class JsonForm(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide(record.getMessage()),
            **facts(record),
        }
        if record.exc_info:
            line["error"] = hide(self.formatException(record.exc_info))
        return orjson.dumps(line, default=lambda value: hide(str(value)), option=orjson.OPT_NON_STR_KEYS).decode()


class TextForm(logging.Formatter):
    """``12:30:05 info  runtime.controller done controller=application unit=Application/argocd/shop``."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = f"{record.levelname.lower():<7}"
        if self._colour and (colour := _COLOURS.get(record.levelname, "")):
            level = f"{colour}{level}\x1b[0m"
        said = hide(record.getMessage())
        along = "".join(f" {name}={value}" for name, value in facts(record).items())
        line = f"{time} {level} {record.name.removeprefix('trueup.')} {said}{along}"
        return f"{line}\n{hide(self.formatException(record.exc_info))}" if record.exc_info else line
