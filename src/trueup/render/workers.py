"""Worker processes for engines that are not Python: they can be stopped, and take nobody with them when they crash.

Called by `jsonnet` and `helm` from render threads. A job is a name and a JSON-like value; the child may ask back while
it works (for an import, for a live object) and ends with an answer or an error. Jsonnet's engine holds the interpreter
lock, Helm's has no way to be interrupted: both are reasons to be elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

SECONDS = 90.0
"""Argo CD gives a render this long."""
_MOST_JOBS = 2_000
"""A worker is replaced after that many: engines of others may leak."""

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class WorkerProblem(Exception):
    """The engine refused, crashed or took too long."""


class _Worker:
    """One child and its pipes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trueup.render.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self.jobs = 0

    def run(self, job: str, value: Any, answer: Answer, seconds: float) -> Any:
        self.jobs += 1
        self._send({"job": job, "value": value})
        while True:
            message = self._receive(seconds)
            if "ask" in message:
                self._send(answer(message["ask"]))
            elif "error" in message:
                raise WorkerProblem(message["error"])
            else:
                return message["done"]

    def _send(self, value: Any) -> None:
        body = msgspec.msgpack.encode(value)
        assert self._process.stdin
        try:
            self._process.stdin.write(len(body).to_bytes(4, "big") + body)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise _Died(self._process.wait()) from None

    def _receive(self, seconds: float) -> dict[str, Any]:
        length = int.from_bytes(self._exactly(4, seconds), "big")
        message: dict[str, Any] = msgspec.msgpack.decode(self._exactly(length, seconds))
        return message

    def _exactly(self, count: int, seconds: float) -> bytes:
        assert self._process.stdout
        out = b""
        number = self._process.stdout.fileno()
        while len(out) < count:
            if not select.select([number], [], [], seconds)[0]:
                raise _Late(seconds)
            part = os.read(number, count - len(out))
            if not part:
                raise _Died(self._process.wait())
            out += part
        return out

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # it has ended already
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what was not yet written has no reader
                    pipe.close()


class _Died(Exception):
    pass


class _Late(Exception):
    pass


class Workers:
    """At most ``count`` children, started when first needed."""

    def __init__(self, count: int, seconds: float = SECONDS) -> None:
        self._seconds = seconds
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
        try:
            done = worker.run(job, value, answer or _nothing, self._seconds)
            keep = True
            return done
        except WorkerProblem:
            keep = True
            raise
        except _Late:
            raise WorkerProblem(f"rendering took longer than {self._seconds:g} s and was stopped") from None
        except _Died as problem:
            raise WorkerProblem(f"the {job} engine crashed (it ended with {problem})") from None
        finally:
            if keep and worker.jobs < _MOST_JOBS and not self._closed:
                self._idle.put(worker)
            else:
                self._end(worker)
                self._idle.put(None)

    def close(self) -> None:
        """End all children."""
        self._closed = True
        with self._guard:
            workers, self._all = self._all, set()
        for worker in workers:
            worker.stop()

    def _start(self) -> _Worker:
        worker = _Worker()
        with self._guard:
            self._all.add(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        with self._guard:
            self._all.discard(worker)
        worker.stop()


def _nothing(question: dict[str, Any]) -> dict[str, Any]:
    return {"error": f"nobody answers {question}"}


def _environment() -> dict[str, str]:
    """No credentials, no proxies, no configuration of anybody's."""
    keep = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LANG")
    return {name: os.environ[name] for name in keep if name in os.environ} | {"HOME": "/nonexistent"}
