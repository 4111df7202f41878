"""The child process of `workers`: reads jobs from standard input, answers on standard output, until the pipe closes.

Run as ``python -m trueup.render.worker MEMORY``. It knows no tree, no cluster and no credentials: what an engine needs from
outside is asked for. It takes so many bytes of memory at most, engines included, and leaves no core behind.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from trueup.render import engines

_LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of last words: who prints without end ends there."""
_RESERVE = 32 * 1024 * 1024
"""For pages of libraries that come in later: the bound is on data alone."""
_LEAST = 256 * 1024 * 1024
"""Of data: Go sets so much apart before it begins."""
_STATUS = Path("/proc/self/status")
Ask = Callable[[dict[str, Any]], dict[str, Any]]


def main() -> None:
    """One job after the other."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
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
            if engines.load(message["job"]):
                _bound(memory)
            _send(outlet, {"began": True})
            _send(outlet, {"done": engines.JOBS[message["job"]](message["value"], ask)})
        except MemoryError:
            raise  # with these last words; what an engine holds then is unknown
        except Exception as problem:  # the parent decides; the next job is none the worse
            _send(outlet, {"error": str(problem) or type(problem).__name__})


def _bound(memory: int) -> None:
    """Let data have what libraries leave of the memory: what is in memory is data or comes from files. Systems that do not
    tell which is which bound no data either."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return
    files = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile:")), 0)
    resource.setrlimit(resource.RLIMIT_DATA, (max(memory - files - _RESERVE, _LEAST), resource.RLIM_INFINITY))


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
