"""The whole program in a process of its own, on a Git repository made for the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
URL = "https://git.example.com/shop.git"


def eventually(check: Callable[[], Any], *, within: float = 30.0) -> Any:
    """The first answer of ``check`` that is true; fails with its last one when there is none in time."""
    ends = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {within} s: {found!r}"
        time.sleep(0.02)


@dataclass
class Repository:
    """A Git repository with a working tree."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, source: Path | None = None) -> Repository:
        """A new one, with the files of a folder committed."""
        if source is not None:
            shutil.copytree(source, folder)
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        made.git("init", "-q", "-b", "main")
        made.commit("begin")
        return made

    def git(self, *args: str) -> str:
        who = {
            f"GIT_{w}_{n}": v for w in ("AUTHOR", "COMMITTER") for n, v in (("NAME", "t"), ("EMAIL", "t@example.com"))
        }
        env = {**os.environ, **who}
        done = subprocess.run(["git", *args], cwd=self.folder, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@dataclass
class Program:
    """`trueup up` with its state folder."""

    home: Path
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    verb: str = "up"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until its API answers."""
        command = [sys.executable, "-m", "trueup.cli.main", self.verb, *self.arguments, "--state", str(self.state)]
        if "--listen" not in self.arguments:
            command += ["--listen", "127.0.0.1:0"]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.home, stdout=log, stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )  # fmt: skip
        process = self.process
        eventually(lambda: ((self.state / "up.json").exists() and self._marked(process)) or process.poll() is not None)
        assert process.poll() is None, self.log

    def _marked(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            return bool(json.loads((self.state / "up.json").read_bytes())["pid"] == process.pid)
        except ValueError:
            return False

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def trueup(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Another verb against the same state."""
        command = [sys.executable, "-m", "trueup.cli.main", *args, "--state", str(self.state)]
        done = subprocess.run(command, cwd=self.home, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, f"{args}: {done.stdout}{done.stderr}\n{self.log[-3000:]}"
        return done

    def kubectl(self, *args: str, check: bool = True, given: str | None = None) -> str:
        """Genuine kubectl against it."""
        environment = {**os.environ, "KUBECONFIG": str(self.state / "kubeconfig"), "HOME": str(self.home)}
        done = subprocess.run(
            ["kubectl", *args], capture_output=True, text=True, env=environment, input=given, timeout=60, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {args}: {done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def get(self, *args: str) -> Any:
        """An object as JSON; None when it is not there."""
        out = self.kubectl("get", *args, "-o", "json", check=False)
        return json.loads(out) if out else None


@contextmanager
def program(home: Path, *arguments: str, verb: str = "up") -> Iterator[Program]:
    """A program that is started here and stopped at the end, whatever happens."""
    home.mkdir(parents=True, exist_ok=True)
    made = Program(home, list(arguments), verb=verb)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.process.terminate()
            try:
                made.process.wait(20)
            except subprocess.TimeoutExpired:
                made.process.kill()
