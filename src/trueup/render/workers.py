"""Worker processes for engines that are not Python: they can be stopped, and take nobody with them when they crash.

Called by `jsonnet` and `helm` from render threads. A job is a name and a JSON-like value; the child may ask back while
it works (for an import, for a live object) and ends with an answer or an error. Jsonnet's engine holds the interpreter
lock, Helm's has no way to be interrupted: both are reasons to be elsewhere.

A child has a bound on its memory (it sets that itself, see `worker`) and is ended when a job takes more CPU than its render
may: the allowance of the render that asks, see `trueup.kube.limits`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from trueup.kube.limits import MEGABYTE, Allowance, Limits, current, in_words, remedy
from trueup.render.jobs import Answer, WorkerProblem, nobody

_MOST_JOBS = 2_000
"""A worker is replaced after that many: engines of others may leak."""
_EVERY = 0.02
"""Seconds between looks at the CPU time of a child."""
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_LONGEST_MESSAGE = 8_000
"""Of an engine's error; what is longer loses its middle."""
_NO_MEMORY = (b"out of memory", b"annot allocate memory", b"bad_alloc", b"MemoryError")
"""How engines say so with their last words."""
_GO_RESERVE = 192 * MEGABYTE
"""Go's collector works harder when its heap comes so close to the bound."""
_GO_GARBAGE = "400"
"""Percent of what is in use: collecting more often takes a quarter of a chart's CPU time, less often 15 MB."""


class _Worker:
    """One child and its pipes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trueup.render.worker", str(limits.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            env=_environment(limits),
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self.jobs = 0
        self._seen = 0
        """Its largest size of those that were looked at."""

    def run(self, job: str, value: Any, answer: Answer, allowance: Allowance) -> Any:
        self.jobs += 1
        self._seen = 0
        began, until = self._taken(), time.monotonic() + allowance.limits.longest
        self._send({"job": job, "value": value})
        while True:
            message = self._receive(allowance, began, until)
            if "ask" in message:
                self._send(answer(message["ask"]))
            elif "began" in message:
                began = self._taken()  # loading an engine is nobody's fault
            elif "error" in message:
                raise WorkerProblem(_shortened(message["error"]))
            else:
                return message["done"]

    def _send(self, value: Any) -> None:
        body = msgspec.msgpack.encode(value)
        assert self._process.stdin
        try:
            self._process.stdin.write(len(body).to_bytes(4, "big") + body)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self, allowance: Allowance, began: float, until: float) -> dict[str, Any]:
        head = self._exactly(4, allowance, began, until)
        length = int.from_bytes(head, "big")
        allowance.spend(length)
        message: dict[str, Any] = msgspec.msgpack.decode(self._exactly(length, allowance, began, until))
        return message

    def _exactly(self, count: int, allowance: Allowance, began: float, until: float) -> bytes:
        assert self._process.stdout
        parts: list[bytes] = []
        number = self._process.stdout.fileno()
        while count:
            while not select.select([number], [], [], _EVERY)[0]:
                self._check(allowance, began, until)
            part = os.read(number, min(count, MEGABYTE))
            if not part:
                raise self._ended()
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _check(self, allowance: Allowance, began: float, until: float) -> None:
        self._seen = max(self._seen, self.size())
        if self._taken() - began > allowance.seconds:
            raise _Late(f"rendering takes more than {allowance.seconds:.2g} s of CPU ({remedy('seconds')})")
        if time.monotonic() > until:
            raise _Late(f"rendering takes longer than {allowance.limits.longest:.3g} s ({remedy('longest')})")

    def _taken(self) -> float:
        """CPU seconds of the child so far; by the clock where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return time.monotonic()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def size(self) -> int:
        """Bytes in memory, 0 where the system does not tell."""
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_bytes().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def _ended(self) -> _Died:
        """Why it has: by its last words."""
        code = self._process.wait()
        self._last_words.seek(0)
        said = self._last_words.read(64 * 1024)
        if any(words in said for words in _NO_MEMORY):
            return _Died(f"rendering takes more than {in_words(self.limits.memory)} of memory ({remedy('memory')})")
        if self._seen > self.limits.memory // 2:  # not every engine finds last words when it is refused memory
            had = f"with {in_words(self._seen)} of {in_words(self.limits.memory)} of memory in use"
            return _Died(f"its engine crashed {had} ({remedy('memory')})")
        return _Died(f"its engine crashed (it ended with {code})")

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # it has ended already
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._last_words):
            if pipe:
                with contextlib.suppress(OSError):  # what was not yet written has no reader
                    pipe.close()


class _Died(Exception):
    pass


class _Late(Exception):
    pass


class Workers:
    """At most ``count`` children, started when first needed."""

    def __init__(self, count: int, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        self._all: set[_Worker] = set()
        self._guard = threading.Lock()
        self._closed = False

    def run(self, job: str, value: Any, answer: Answer | None = None) -> Any:
        """Do a job and wait for it; called from threads. Raises `WorkerProblem`."""
        worker = self._idle.get() or self._start()
        keep = False
        allowance = current() or Allowance(self._limits)
        try:
            done = worker.run(job, value, answer or nobody, allowance)
            keep = True
            return done
        except WorkerProblem:
            keep = True
            raise
        except (_Late, _Died) as problem:
            allowance.by_chance = True
            raise WorkerProblem(str(problem)) from None
        finally:
            if keep and worker.jobs < _MOST_JOBS and not self._closed:
                self._idle.put(worker)
            else:
                self._end(worker)
                self._idle.put(None)

    def sizes(self) -> list[int]:
        """Bytes in memory of each child, where the system tells."""
        with self._guard:
            return [worker.size() for worker in self._all]

    def close(self) -> None:
        """End all children."""
        self._closed = True
        with self._guard:
            workers, self._all = self._all, set()
        for worker in workers:
            worker.stop()

    def _start(self) -> _Worker:
        worker = _Worker(self._limits)
        with self._guard:
            self._all.add(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        with self._guard:
            self._all.discard(worker)
        worker.stop()


def _shortened(text: str) -> str:
    """A message may hold what somebody else's file made it hold."""
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def _environment(limits: Limits) -> dict[str, str]:
    """No credentials, no proxies, no configuration of anybody's."""
    keep = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LANG")
    return {name: os.environ[name] for name in keep if name in os.environ} | {
        "HOME": "/nonexistent",
        "GOGC": _GO_GARBAGE,
        "GOMEMLIMIT": str(max(limits.memory - _GO_RESERVE, 64 * MEGABYTE)),
    }
