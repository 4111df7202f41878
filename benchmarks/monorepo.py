"""A monorepo of N units, and a push that touches one of them: how many render, and how long after the push.

    python -m benchmarks.monorepo [N]

Overlays on a shared base, charts and plain folders in one repository, fetched over ``file://`` as from any remote. After each
push every unit is asked for anew, as controllers do. The floor is what no controller can do without: Git asked for what is
new and fetching it, then reading the YAML that the touched unit renders to, measured in the same run.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import fleet
from benchmarks.render import chart, cpu, kustomization, plain, put, reading
from benchmarks.report import Row, show
from trueup.app.process import collect_rarely, take_turns
from trueup.ports import GitSpec, Rendered, RenderRequest, Target
from trueup.render.render import Render
from trueup.runtime.clock import SystemClock
from trueup.source.fetcher import GitFetcher

TARGET = Target("v1.34.0", ("apps/v1", "apps/v1/Deployment"), "apps")
KINDS = {"plain": plain, "kustomize": kustomization, "helm": chart}
ROUNDS, WORKERS = 5, 16
Pushed = tuple[float, float, int, float, float]
"""Seconds to the one and to all, how many rendered, CPU seconds, seconds from the fetched commit to the one."""


async def main(count: int) -> None:
    """Measure and print."""
    collect_rarely()  # both as a controller does
    take_turns()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        units = []
        for index in range(count):
            kind = list(KINDS)[index % len(KINDS)]
            units.append(f"{kind}/unit-{index:04d}")
            KINDS[kind](root / "work" / units[-1], f"unit-{index:04d}")
        fleet.commit(root / "work", "begin")
        clone = ["git", "clone", "-q", "--bare", "work", "remote.git"]
        await asyncio.to_thread(subprocess.run, clone, cwd=root, check=True)
        show(f"monorepo of {count} units", await Monorepo(root, units).measured())


class Monorepo:
    """One repository with its units, one fetcher, one renderer."""

    def __init__(self, root: Path, units: list[str]) -> None:
        self.root, self.units = root, units
        self.spec = GitSpec(f"file://{root}/remote.git", "main")
        self.fetcher = GitFetcher(root / "mirrors", clock=SystemClock(), poll=0)
        self.renderer = Render(root / "render")

    async def measured(self) -> list[Row]:
        """The figures."""
        try:
            before = cpu()
            first, _ = await self.asked()
            used = cpu() - before
            floor = await asyncio.to_thread(self.floor)
            beside = [await self.pushed("README") for _ in range(ROUNDS)]
            touched = [await self.pushed(f"{unit}/kustomization.yaml") for unit in self.middle()]
        finally:
            self.renderer.close()
            await self.fetcher.close()
        renders = {row[2] for row in touched}
        out = reading([self.last])
        least = floor + out
        words = f"git alone {1000 * floor:.0f} ms, reading what it renders to {1000 * out:.1f} ms"
        return [
            Row("all units, nothing known", f"{first:.1f} s", None, f"{used:.1f} s of CPU"),
            Row("a push beside them all", f"{1000 * median(beside, 1):.0f} ms", None, f"{beside[0][2]} rendered"),
            Row("CPU of that in this process", f"{1000 * median(beside, 3):.0f} ms"),
            Row("a push that touches one", f"{', '.join(map(str, renders))} rendered"),
            Row("push to rendered", f"{1000 * median(touched, 0):.0f} ms", median(touched, 0) / least, words),
            Row(
                "of that after the commit is here",
                f"{1000 * median(touched, 4):.0f} ms",
                median(touched, 4) / out,
                "reading",
            ),
            Row("push to all known again", f"{1000 * median(touched, 1):.0f} ms", median(touched, 1) / least, words),
        ]

    def middle(self) -> list[str]:
        """Some overlays from the middle of the row: half of the units are asked for before them."""
        overlays = [unit for unit in self.units if unit.startswith("kustomize/")]
        return overlays[len(overlays) // 2 :][:ROUNDS]

    async def asked(self, first: str = "") -> tuple[float, float]:
        """Every unit, as many at a time as controllers work on; seconds to all, and to the one that is waited for."""
        begun = time.monotonic()
        artifact = await self.fetcher.fetch(self.spec)
        self.fetched = time.monotonic() - begun
        waiting, seen = iter(self.units), [0.0]

        async def work() -> None:
            for unit in waiting:
                found = await self.renderer.render(RenderRequest(artifact.tree, unit, TARGET))
                if unit == first:
                    seen[0], self.last = time.monotonic() - begun, found
                await asyncio.sleep(0)  # as whoever has more to do with it than this

        await asyncio.gather(*(work() for _ in range(WORKERS)))
        return time.monotonic() - begun, seen[0]

    async def pushed(self, file: str) -> Pushed:
        """Change a file and push it. Seconds to its unit, to all units; how many rendered, and our CPU seconds."""
        path = self.root / "work" / file
        text = path.read_text() if path.exists() else ""
        put_anew(path, f"{text}# {time.monotonic_ns()}\n")
        await asyncio.to_thread(self.push)
        before, spent = self.renderer.rendered, time.process_time()
        every, one = await self.asked(str(Path(file).parent))
        rendered, used = self.renderer.rendered - before, time.process_time() - spent
        return one, every, rendered, used, one - self.fetched

    def push(self) -> None:
        """What is in the work tree, to the remote."""
        fleet.commit(self.root / "work", "change")
        subprocess.run(["git", "push", "-q", "../remote.git", "main"], cwd=self.root / "work", check=True)

    def floor(self) -> float:
        """Seconds that Git takes to be asked and to fetch a commit."""
        subprocess.run(["git", "init", "-q", "--bare", "floor.git"], cwd=self.root, check=True)
        took = []
        for at in range(ROUNDS):
            put_anew(self.root / "work" / "README", f"floor {at}")
            self.push()
            begun = time.monotonic()
            for command in (["ls-remote"], ["fetch", "-q", "--depth=1"]):
                wanted = ["+main:main"] if command[0] == "fetch" else []
                subprocess.run(
                    ["git", "--git-dir=floor.git", *command, self.spec.url, *wanted],
                    cwd=self.root, check=True, capture_output=True,
                )  # fmt: skip
            took.append(time.monotonic() - begun)
        return statistics.median(took)

    last: Rendered
    fetched: float


def put_anew(file: Path, text: str) -> None:
    """Write a file, whatever it was."""
    file.unlink(missing_ok=True)
    put(file, text)


def median(rows: list[Pushed], column: int) -> float:
    """Of one column."""
    return statistics.median(row[column] for row in rows)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
