"""What becomes of a container, where its command tells: ``true``, ``sleep 5; exit 3``, ``if [ $INDEX -ge 2 ]; then exit 1; fi``.

Pure; called by `steering`. Nothing runs: a command that does more than wait, print, compare and exit has no known outcome.
Source: POSIX "Shell Command Language", as far as it goes here; Kubernetes documentation "Define Environment Variables".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube import objects
from trueup.kube.names import Object

_SHELLS = ("sh", "bash", "ash", "dash")
_WORD = re.compile(r""""((?:[^"\\`]|\\.)*)"|'([^']*)'|([^\s"'`;&|<>()\\]+)""")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SUM = re.compile(r"\$\(\s*expr\s+(-?\d+)\s+\\?([-+*/%])\s+(-?\d+)\s*\)|\$\(\(\s*(-?\d+)\s*([-+*/%])\s*(-?\d+)\s*\)\)")
_COMPARED = {
    "-eq": int.__eq__, "-ne": int.__ne__, "-lt": int.__lt__, "-le": int.__le__, "-gt": int.__gt__, "-ge": int.__ge__,
}  # fmt: skip
_PLAIN = re.compile(r"[\w.-]*")
_LONGEST = 4096
_KEYWORDS = ("then", "else", "fi")


class Unknown(Exception):
    """The command does something whose outcome nobody knows without running it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """It ends with this code, after this time."""

    code: int
    after: float = 0.0


class _Exit(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


def outcome(container: Object, pod: Object) -> Outcome | None:
    """What a container of the pod comes to; None where only running it would tell."""
    command = [*map(str, container.get("command") or ())]
    words = [*command, *map(str, container.get("args") or ())]
    if not command or sum(map(len, words)) > _LONGEST:
        return None
    try:
        if len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] == "-c":
            return _run(words[2], _variables(container, pod))
        if any("$" in one for one in words):
            return None
        return _Script([]).ended(words)
    except Unknown:
        return None


def _run(text: str, variables: Mapping[str, str]) -> Outcome:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not _PLAIN.fullmatch(variables.get(name, " ")):
            raise Unknown(name)
        return variables[name]

    if "$" in text and "'" in text:
        raise Unknown(text)
    return _Script(list(_statements(_SUM.sub(_sum, _VARIABLE.sub(value, text))))).outcome()


def _sum(found: re.Match[str]) -> str:
    left, sign, right = found[1] or found[4], found[2] or found[5], found[3] or found[6]
    a, b = int(left), int(right)
    if sign in "/%":
        if not b:
            raise Unknown(found[0])
        whole = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return str(whole if sign == "/" else a - b * whole)
    return str({"+": a + b, "-": a - b, "*": a * b}[sign])


def _variables(container: Object, pod: Object) -> dict[str, str]:
    """What is given as plain values, or by fields of the pod that are known beforehand."""
    out = {}
    for one in container.get("env") or ():
        path = ((one.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath", "")
        if "value" in one or not one.get("valueFrom"):
            out[str(one["name"])] = str(one.get("value") or "")
        elif (found := _field(str(path), pod)) is not None:
            out[str(one["name"])] = found
    return out


def _field(path: str, pod: Object) -> str | None:
    if path in ("metadata.name", "metadata.namespace"):
        return str(objects.meta(pod).get(path.partition(".")[2]) or "")
    for start, where in (("metadata.annotations['", objects.annotations), ("metadata.labels['", objects.labels)):
        if path.startswith(start) and path.endswith("']"):
            return str(where(pod).get(path[len(start) : -2], ""))
    return None


def _statements(text: str) -> Iterator[list[str]]:
    """Each simple command's words; a keyword is a statement of its own."""
    for part in re.split(r"[;\n]", text):
        words, at = [], 0
        part = part.strip()
        if part.startswith("#"):
            continue
        while at < len(part):
            found = _WORD.match(part, at)
            word = next((one for one in found.groups() if one is not None), "$") if found else "$"
            if found is None or "$" in word:
                raise Unknown(part)
            words.append(word)
            at = found.end()
            if at < len(part) and not part[at].isspace():
                raise Unknown(part)
            while at < len(part) and part[at].isspace():
                at += 1
        while words and words[0] in _KEYWORDS:
            yield [words.pop(0)]
        if words:
            yield words


class _Script:
    def __init__(self, statements: Sequence[list[str]]) -> None:
        self._statements, self._at = statements, 0
        self._last, self._after = 0, 0.0

    def outcome(self) -> Outcome:
        """Read it to its end, or to its ``exit``."""
        firsts = [words[0] for words in self._statements]
        if firsts.count("if") != firsts.count("fi"):
            raise Unknown("if")
        try:
            self._block(runs=True, until=())
        except _Exit as end:
            return Outcome(end.code, self._after)
        return Outcome(self._last, self._after)

    def ended(self, words: Sequence[str]) -> Outcome:
        """One command without a shell."""
        if words[0].rpartition("/")[2] in ("exit", ":"):
            raise Unknown(words[0])
        return Outcome(self._simple([words[0].rpartition("/")[2], *words[1:]]), self._after)

    def _block(self, *, runs: bool, until: Sequence[str]) -> str:
        while self._at < len(self._statements):
            words = self._statements[self._at]
            self._at += 1
            if words[0] in until:
                return words[0]
            if words[0] == "if":
                self._if(words[1:], runs=runs)
            elif words[0] in _KEYWORDS:
                raise Unknown(words[0])
            elif runs:
                self._last = self._simple(words)
        if until:
            raise Unknown("fi")
        return ""

    def _if(self, words: Sequence[str], *, runs: bool) -> None:
        holds = runs and self._simple(words) == 0
        if self._at >= len(self._statements) or self._statements[self._at] != ["then"]:
            raise Unknown("if")
        self._at += 1
        self._last = 0
        if self._block(runs=holds, until=("else", "fi")) == "else":
            self._block(runs=runs and not holds, until=("fi",))

    def _simple(self, words: Sequence[str]) -> int:
        name, rest = words[0], words[1:]
        if name in ("true", ":", "echo"):
            return 0
        if name == "false":
            return 1
        if name == "sleep" and len(rest) == 1 and (found := re.fullmatch(r"(\d+(?:\.\d+)?)s?", rest[0])):
            self._after += float(found[1])
            return 0
        if name == "exit" and len(rest) <= 1 and (not rest or rest[0].isdigit()):
            raise _Exit(int(rest[0]) & 255 if rest else self._last)
        if name == "set" and rest in (["-x"], ["-u"]):
            return 0
        if name == "test" or (name == "[" and rest and rest[-1] == "]"):
            return _test(rest[:-1] if name == "[" else rest)
        raise Unknown(name)


def _test(words: Sequence[str]) -> int:
    if len(words) != 3:
        raise Unknown(*words)
    left, sign, right = words
    if sign in ("=", "==", "!="):
        return int((left == right) == (sign == "!="))
    compare: Any = _COMPARED.get(sign)
    if compare is None or not all(re.fullmatch(r"-?\d+", one) for one in (left, right)):
        raise Unknown(sign)
    return int(not compare(int(left), int(right)))
