"""An expression's text into tokens. Called by the parser.

Source: cel-go ``parser/gen/CEL.g4`` (lexer rules) and ``parser/unescape.go``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trueup.cel.problems import Issue

_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_STRING = (
    r"[rR](?:\"\"\"(?:.|\n)*?\"\"\"|'''(?:.|\n)*?'''|\"[^\"\n\r]*\"|'[^'\n\r]*')"
    rf"|\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\"|'''(?:{_ESCAPE}|[^\\])*?'''"
    rf"|\"(?:{_ESCAPE}|[^\\\"\n\r])*\"|'(?:{_ESCAPE}|[^\\'\n\r])*'"
)
_TOKEN = re.compile(
    rf"""
    (?P<space>[\t\ \r\n\f]+|//[^\n]*)
  | (?P<BYTES>[bB](?:{_STRING}))
  | (?P<STRING>{_STRING})
  | (?P<NUM_FLOAT>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<NUM_UINT>(?:0x[0-9a-fA-F]+|\d+)[uU])
  | (?P<NUM_INT>0x[0-9a-fA-F]+|\d+)
  | (?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<ESC_IDENTIFIER>`[A-Za-z0-9_.\-/\ ]+`)
  | (?P<op>==|!=|<=|>=|&&|\|\||[<>\[\]{{}}().,\-!?:+*/%])
    """.replace("\\ ", "\\x20"),
    re.VERBOSE | re.ASCII,
)
_WORDS = frozenset({"in", "true", "false", "null"})
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED = re.compile(_ESCAPE)


class Token(NamedTuple):
    """A token: its kind is its text for operators and words, the grammar's name for the rest."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> tuple[list[Token], list[Issue]]:
    """The tokens, ``<EOF>`` last, and what could not be read."""
    found: list[Token] = []
    issues: list[Issue] = []
    at, length = 0, len(text)
    while at < length:
        match = _TOKEN.match(text, at)
        if match is None:
            issues.append(Issue(at, f"Syntax error: token recognition error at: '{_unread(text, at)}'"))
            at += len(_unread(text, at))
            continue
        kind = match.lastgroup or ""
        if kind != "space":
            word = match.group()
            found.append(Token(word if kind == "op" or word in _WORDS else kind, word, at))
        at = match.end()
    found.append(Token("<EOF>", "<EOF>", length))
    return found, issues


def _unread(text: str, at: int) -> str:
    """What the lexer gives up on: the whole rest for a string without end, else a character."""
    if text[at] in "\"'":
        return text[at:].split("\n", 1)[0]
    if text[at] in "|&=":
        return text[at : at + 2]
    return text[at]


def unquoted(text: str) -> str:
    """A string literal's value. Raises ``ValueError``."""
    raw, body = _body(text)
    if raw or "\\" not in body:
        return body
    return _ESCAPED.sub(lambda match: _char(match.group()), body)


def unquoted_bytes(text: str) -> bytes:
    """A bytes literal's value; ``text`` begins with its ``b``. Raises ``ValueError``."""
    raw, body = _body(text[1:])
    if raw or "\\" not in body:
        return body.encode("utf-8", "surrogatepass")
    out = bytearray()
    at = 0
    for match in _ESCAPED.finditer(body):
        out += body[at : match.start()].encode("utf-8")
        out += _byte(match.group())
        at = match.end()
    return bytes(out + body[at:].encode("utf-8"))


def _body(text: str) -> tuple[bool, str]:
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    body = text[3:-3] if text[:3] in ('"""', "'''") and len(text) >= 6 else text[1:-1]
    return raw, body.replace("\r\n", "\n").replace("\r", "\n")


def _char(escape: str) -> str:
    mark = escape[1]
    if mark in "xXuU":
        code = int(escape[2:], 16)
    elif mark in "0123":
        code = int(escape[1:], 8)
    else:
        return _SIMPLE.get(mark, mark)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise ValueError("invalid unicode code point")
    return chr(code)


def _byte(escape: str) -> bytes:
    mark = escape[1]
    if mark in "xX":
        return bytes([int(escape[2:], 16)])
    if mark in "0123":
        return bytes([int(escape[1:], 8)])
    if mark in "uU":
        raise ValueError("unable to unescape string")
    return _SIMPLE.get(mark, mark).encode()
