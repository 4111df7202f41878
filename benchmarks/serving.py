"""`trueup apiserver`, or `up`, in a process of its own, for benchmarks that measure it from outside."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.client.access import ClusterAccess
from trueup.client.kubeconfig import load


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers."""

    access: ClusterAccess
    pid: int
    state: Path
    ready: float
    """Seconds from its start to its being ready."""

    def cpu(self) -> float:
        """CPU seconds that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def disk(self) -> float:
        """MB of its database and what belongs to it."""
        return sum(path.stat().st_size for path in self.state.glob("*.sqlite*")) / 1e6


@asynccontextmanager
async def serving(folder: Path, *options: str, verb: str = "apiserver") -> AsyncIterator[Serving]:
    """A server for as long as the block runs; its log is in the folder."""
    state = folder / "state"
    command = [sys.executable, "-m", "trueup.cli.main", verb, "--state", str(state), "--listen", "127.0.0.1:0"]
    with (folder / "log").open("wb") as log:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(*command, *options, stdout=log, stderr=log)
    try:
        while not (state / "up.json").exists():
            assert process.returncode is None, (folder / "log").read_text()
            await asyncio.sleep(0.005)
        yield Serving(load(state / "kubeconfig"), process.pid, state, time.monotonic() - began)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
