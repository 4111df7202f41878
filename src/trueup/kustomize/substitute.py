"""Flux's post-build substitution: ``${NAME}`` and its bash-like forms, in the YAML text of each object.

Called by the kustomize renderer. An object (or text) and variables go in, the object with the values leaves.
Source: fluxcd/pkg ``envsubst`` (a fork of drone/envsubst) and ``kustomize_varsub``; lengths and positions count bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import overload

from trueup.kube.documents import YamlProblem, dump, parse_one
from trueup.kube.limits import spend
from trueup.kube.names import Object
from trueup.kube.patterns import Pattern, is_pattern, pattern
from trueup.kustomize.problem import KustomizeProblem

DISABLED = "kustomize.toolkit.fluxcd.io/substitute"
"""A label or annotation with the value ``disabled`` keeps an object as it is."""
_NAME = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")
_NAME_RULE = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"
_MARK = re.compile(r"\$\$|\$\{")
_DEFAULTS = frozenset({"-", "+", "=", "?", ":-", ":+", ":=", ":?"})
Accept = Callable[[str, int], bool]
"""Whether a character may stand at a position (from 1) of a token."""


@overload
def substitute(value: str, variables: Mapping[str, str], strict: bool = False) -> str: ...


@overload
def substitute(value: Object, variables: Mapping[str, str], strict: bool = False) -> Object: ...


def substitute(value: str | Object, variables: Mapping[str, str], strict: bool = False) -> str | Object:
    """With every variable replaced; a missing one becomes nothing, or is refused when strict.

    Raises `KustomizeProblem` for a wrong name, for text that is not in the form, and when no YAML is left.
    """
    for name in variables:
        if not _NAME.fullmatch(name):
            raise KustomizeProblem(
                f"envsubst error: '{name}' var name is invalid, must match '{_NAME_RULE}'", field="postBuild.substitute"
            )
    if isinstance(value, str):
        return expand(value, variables, strict)
    if _keeps_out(value):
        return value
    text = dump(value)
    if not _MARK.search(text):
        return value
    try:
        found = parse_one(expand(text, variables, strict))
    except YamlProblem as problem:
        raise _about(value, f"YAMLToJSON: yaml: line {problem.line}: {problem.message}") from None
    except KustomizeProblem as problem:
        raise _about(value, f"variable substitution failed: {problem.message}") from None
    if not isinstance(found, dict):
        raise _about(value, "no object is left")
    return found


def _keeps_out(obj: Object) -> bool:
    metadata = obj.get("metadata") or {}
    return any((metadata.get(marks) or {}).get(DISABLED) == "disabled" for marks in ("labels", "annotations"))


def _about(obj: Object, message: str) -> KustomizeProblem:
    name = (obj.get("metadata") or {}).get("name", "")
    return KustomizeProblem(f"{obj.get('kind', '')}/{name}: envsubst error: {message}", field="postBuild")


# --- the form ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Function:
    """One ``${…}``: the variable, the operator, its arguments."""

    name: str
    operator: str = ""
    arguments: list[str | _Function] = field(default_factory=list)


def expand(text: str, variables: Mapping[str, str], strict: bool = False) -> str:
    """A text with its variables replaced; ``$$`` stands for one dollar."""
    out: list[str] = []
    at = 0
    while True:
        found = _MARK.search(text, at)
        if not found:
            out.append(text[at:])
            return "".join(out)
        out.append(text[at : found.start()])
        if found[0] == "$$":
            out.append("$")
            at = found.end()
        else:
            parser = _Parser(text, found.end())
            out.append(_value(parser.function(), variables, strict))
            spend(len(out[-1]))
            at = parser.at


class _Parser:
    """Reads one ``${…}`` from behind its brace."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def function(self) -> _Function:
        if self._peek() == "#":
            self.at += 1
            return self._close(_Function(self._need(self._token(_is_name), "bad substitution"), "#"))
        found = _Function(self._need(self._token(_is_name), "unable to parse variable name"))
        first = self._peek()
        if first == ":":
            following = self.text[self.at + 1 : self.at + 2]
            return self._default(found) if following and following in "=-?+" else self._part(found)
        if first == "=":
            return self._default(found)
        if first and first in ",^":
            found.operator = self._token(lambda char, at: char in ",^" and at < 3)
            return self._close(found)
        if first == "/":
            return self._replacement(found)
        if first and first in "#%":
            found.operator = self._token(lambda char, at: char == first and at < 3)
            found.arguments.append(self._argument(_not_closing))
            return self._close(found)
        if first != "}":
            raise KustomizeProblem("missing closing brace")
        return self._close(found)

    def _default(self, found: _Function) -> _Function:
        found.operator = "=" if self._peek() == "=" else self.text[self.at : self.at + 2]
        self.at += len(found.operator)
        while self._peek() != "}":
            found.arguments.append(self._argument(_not_closing))
        return self._close(found)

    def _part(self, found: _Function) -> _Function:
        found.operator = ":"
        self.at += 1
        found.arguments.append(self._argument(lambda char, _: char not in ":}"))
        if self._peek() == "}":
            return self._close(found)
        self._need(self._token(lambda char, _: char == ":"), "bad substitution")
        found.arguments.append(self._argument(_not_closing))
        return self._close(found)

    def _replacement(self, found: _Function) -> _Function:
        found.operator = self._token(lambda char, at: char == "/" if at == 1 else at == 2 and char in "/#%")
        found.arguments.append(self._argument(lambda char, _: char != "/", escapes=True))
        self._need(self._token(lambda char, _: char == "/"), "bad substitution")
        if self._peek() != "}":
            found.arguments.append(self._argument(_not_closing, escapes=True))
        return self._close(found)

    def _argument(self, accept: Accept, *, escapes: bool = False) -> str | _Function:
        if self.text.startswith("${", self.at):
            self.at += 2
            return self.function()
        return self._need(
            self._token(accept, stops=True, escapes=escapes), "unable to parse substitution within function"
        )

    def _token(self, accept: Accept, *, stops: bool = False, escapes: bool = False) -> str:
        """The characters that are accepted; ``stops`` before a ``${``, ``escapes``: a backslash or dollar hides one."""
        out: list[str] = []
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if stops and self.text.startswith("${", self.at):
                break
            if escapes and self.text[self.at : self.at + 2] in ("$$", "\\/", "\\\\"):
                out.append(self.text[self.at + 1])
                self.at += 2
                continue
            if not accept(char, self.at - start + 1):
                break
            out.append(char)
            self.at += 1
        return "".join(out)

    def _need(self, token: str, problem: str) -> str:
        if not token:
            raise KustomizeProblem(problem)
        return token

    def _close(self, found: _Function) -> _Function:
        if self._peek() != "}":
            raise KustomizeProblem("bad substitution")
        self.at += 1
        return found


def _is_name(char: str, _: int) -> bool:
    return char.isalpha() or char.isdecimal() or char == "_"


def _not_closing(char: str, _: int) -> bool:
    return char != "}"


# --- what the operators do -----------------------------------------------------------------------------------------


def _value(function: _Function, variables: Mapping[str, str], strict: bool) -> str:
    arguments = [
        argument if isinstance(argument, str) else _value(argument, variables, strict)
        for argument in function.arguments
    ]
    if strict and function.name not in variables and function.operator not in _DEFAULTS:
        raise KustomizeProblem(f'variable not set (strict mode): "{function.name}"')
    value = variables.get(function.name, "")
    operator = function.operator
    if operator == "#" and not arguments:
        return str(len(value.encode()))
    work = _OPERATORS.get(operator)
    return work(value, arguments) if work is not None else value or "".join(arguments)


def _part_of(value: str, arguments: list[str]) -> str:
    data = value.encode()
    try:
        start = int(arguments[0])
        end = None if len(arguments) == 1 else int(arguments[1])
    except ValueError:
        return value
    if start < 0:
        start = max(len(data) + start, 0)
    if start >= len(data):
        return ""
    if end is not None and end < 0 and start + end < start:
        raise KustomizeProblem("slice bounds out of range")
    piece = data[start:] if end is None else data[start : start + end]
    return piece.decode("utf-8", "replace")


def _replace(value: str, arguments: list[str], count: int) -> str:
    old, new = arguments[0], arguments[1] if len(arguments) > 1 else ""
    spend(value.count(old) * len(new))
    return value.replace(old, new, count)


def _replace_prefix(value: str, arguments: list[str]) -> str:
    if len(arguments) == 2 and value.startswith(arguments[0]):
        return arguments[1] + value[len(arguments[0]) :]
    return value


def _replace_suffix(value: str, arguments: list[str]) -> str:
    if len(arguments) == 2 and value.endswith(arguments[0]):
        return value[: len(value) - len(arguments[0])] + arguments[1]
    return value


def _trim(value: str, glob: str, *, longest: bool) -> str:
    """Without the longest or the shortest (but not empty) beginning that matches a glob."""
    fitting = _glob(glob, "*" if longest else "*?")
    return value[len(next(fitting.every(value), "")) :] if fitting is not None else value


def _trim_end(value: str, pattern: str, *, longest: bool) -> str:
    return _trim(value[::-1], pattern[::-1], longest=longest)[::-1]


def _glob(text: str, any_number: str) -> Pattern | None:
    """A shell pattern at a text's beginning; None when it is malformed."""
    out = "." if text.strip("*") == "" else ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            end = text.find("]", at + 2)
            if end < 0:
                return None
            inside = text[at + 1 : end]
            negated = inside.startswith("^")
            out += f"[{'^' if negated else ''}{re.escape(inside[negated:]).replace(chr(92) + '-', '-')}]"
            at = end
        elif char == "\\":
            at += 1
            if at == len(text):
                return None
            out += re.escape(text[at])
        else:
            out += {"*": f".{any_number}", "?": "."}.get(char) or re.escape(char)
        at += 1
    out = f"(?s)^(?:{out})"
    return pattern(out) if is_pattern(out) else None


_OPERATORS: Mapping[str, Callable[[str, list[str]], str]] = {
    ",": lambda value, _: value[:1].lower() + value[1:],
    ",,": lambda value, _: value.lower(),
    "^": lambda value, _: value[:1].upper() + value[1:],
    "^^": lambda value, _: value.upper(),
    "#": lambda value, arguments: _trim(value, arguments[0], longest=False),
    "##": lambda value, arguments: _trim(value, arguments[0], longest=True),
    "%": lambda value, arguments: _trim_end(value, arguments[0], longest=False),
    "%%": lambda value, arguments: _trim_end(value, arguments[0], longest=True),
    ":": _part_of,
    "/": lambda value, arguments: _replace(value, arguments, 1),
    "//": lambda value, arguments: _replace(value, arguments, -1),
    "/#": _replace_prefix,
    "/%": _replace_suffix,
}
