"""JSONPath as printer columns of definitions use it. Pure; called by `tables`.

A path in, the values that it finds in an object out; a path that cannot be read finds nothing. Names with escaped dots,
quoted names, indexes, slices, wildcards and comparisons. Source: ``client-go/util/jsonpath``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_TOKEN = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\*])+)
      | \[\s*(?P<quoted>'[^']*'|"[^"]*")\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<low>-?\d*):(?P<high>-?\d*)\s*\]
      | (?P<all>\[\s*\*\s*\]|\.\*)
      | \[\?\(\s*@(?P<left>[^=!<>\s)]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>'[^']*'|"[^"]*"|[^)\s]+)\s*)?\)\]""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def find(obj: Any, path: str) -> list[Any]:
    """Every value at a path, in order."""
    steps = _compiled(path)
    if steps is None:
        return []
    values = [obj]
    for step in steps:
        values = [found for value in values for found in step(value)]
    return values


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Sequence[Step] | None:
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = f".{text}"
    steps: list[Step] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()
        steps.append(_step(token))
    return steps


def _step(token: re.Match[str]) -> Step:
    if token["name"] is not None:
        return _named(re.sub(r"\\(.)", r"\1", token["name"]))
    if token["quoted"] is not None:
        return _named(token["quoted"][1:-1])
    if token["index"] is not None:
        index = int(token["index"])
        return lambda value: iter(value[index : index + 1 or None] if isinstance(value, list) else ())
    if token["all"] is not None:
        return _every
    if token["left"] is not None:
        return _filter(token["left"], token["op"], token["right"])
    low, high = (int(each) if each else None for each in (token["low"], token["high"]))
    return lambda value: iter(value[low:high] if isinstance(value, list) else ())


def _named(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and value.get(name) is not None:
            yield value[name]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _filter(left: str, op: str | None, right: str | None) -> Step:
    wanted = _literal(right or "")

    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            found = find(item, left) if left else [item]
            if found and (op is None or _holds(op, found[0], wanted)):
                yield item

    return step


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _holds(op: str, found: Any, wanted: Any) -> bool:
    try:
        return bool(_COMPARE[op](found, wanted))
    except TypeError:
        return False
