"""The child process of `workers`: reads jobs from standard input, answers on standard output, until the pipe closes.

Run as ``python -m trueup.render.worker``. It knows no tree, no cluster and no credentials: what an engine needs from
outside is asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from trueup.render import engines

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def main() -> None:
    """One job after the other."""
    inlet = sys.stdin.buffer
    outlet = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # an engine that prints must not break the protocol

    def ask(question: dict[str, Any]) -> dict[str, Any]:
        _send(outlet, {"ask": question})
        answer = _receive(inlet)
        if answer is None:
            raise SystemExit
        return answer

    while (message := _receive(inlet)) is not None:
        try:
            _send(outlet, {"done": engines.JOBS[message["job"]](message["value"], ask)})
        except Exception as problem:  # the parent decides; the next job is none the worse
            _send(outlet, {"error": str(problem) or type(problem).__name__})


def _send(outlet: BinaryIO, value: Any) -> None:
    body = msgspec.msgpack.encode(value)
    outlet.write(len(body).to_bytes(4, "big") + body)
    outlet.flush()


def _receive(inlet: BinaryIO) -> dict[str, Any] | None:
    head = inlet.read(4)
    if len(head) < 4:
        return None
    body: dict[str, Any] = msgspec.msgpack.decode(inlet.read(int.from_bytes(head, "big")))
    return body


if __name__ == "__main__":
    main()
