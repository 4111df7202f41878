"""What charts cost beside ``helm template``: the first render of a program, further ones, several at a time, and many.

    python -m benchmarks.charts [RENDERS]

The chart is that of ``benchmarks.render``, or a folder named by TRUEUP_BENCH_CHART. Each render has other values, so that
nothing is answered from memory. Without Helm on the PATH its figures are left out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import fleet
from benchmarks import render as tools
from benchmarks.report import Row, show
from trueup.ports import RenderRequest
from trueup.render.render import Render
from trueup.source.tree import GitTree

STARTS = 7
"""Programs that are started; the median counts."""
AT_ONCE = 4
TRUEUP = [sys.executable, "-m", "trueup.cli.main", "render"]


async def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        name = put(root / "repo")
        rows = [*started(root / "repo" / name), *await further(root, name), *await many(root, name, count)]
        show(f"charts: {name}", rows)


def put(repository: Path) -> str:
    """A repository with the chart, which is in the folder of that name."""
    named = os.environ.get("TRUEUP_BENCH_CHART")
    name = Path(named).resolve().name if named else "web"
    if named:
        shutil.copytree(named, repository / name)
    else:
        tools.chart(repository / name, name)
    fleet.commit(repository, "begin")
    return name


def started(folder: Path) -> list[Row]:
    """A program that renders once, its start included."""
    ours = program([*TRUEUP, str(folder), "--as", "helm"])
    if shutil.which("helm") is None:
        return [Row("a program, CPU", f"{1000 * ours[1]:.0f} ms"), Row("renders of helm", "not installed")]
    theirs = program(template(folder))
    return [
        Row(
            "a program, by the clock",
            f"{1000 * ours[0]:.0f} ms",
            ours[0] / theirs[0],
            f"helm {1000 * theirs[0]:.0f} ms",
        ),
        Row("a program, CPU", f"{1000 * ours[1]:.0f} ms", ours[1] / theirs[1], f"helm {1000 * theirs[1]:.0f} ms"),
    ]


def template(folder: Path) -> list[str]:
    """What a user would run; an older Helm takes itself for a cluster of its own age."""
    return ["helm", "template", "release-name", str(folder), "--kube-version", tools.TARGET.kubernetes_version]


def program(command: list[str]) -> tuple[float, float]:
    """Seconds and CPU seconds of a program, the medians."""
    seconds, taken = [], []
    for _ in range(STARTS):
        before, begun = tools.cpu(), time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.monotonic() - begun)
        taken.append(tools.cpu() - before)
    return sorted(seconds)[STARTS // 2], sorted(taken)[STARTS // 2]


async def further(root: Path, name: str) -> list[Row]:
    """Renders in a program that runs: its first, those after it, and several at a time."""
    renderer, tree = Render(root / "render", workers=2), tools.head(root / "repo")
    try:
        begun = time.monotonic()
        await renderer.render(request(tree, name, "first"))
        first = time.monotonic() - begun
        each = await rendering(renderer, tree, name, 100, 1)
        together = await rendering(renderer, tree, name, 100, AT_ONCE)
    finally:
        renderer.close()
    rows = [
        Row("the first of a program", f"{1000 * first:.0f} ms", first / each, "further ones"),
        Row("further ones", f"{1000 * each:.1f} ms"),
        Row(f"{AT_ONCE} at a time", f"{1 / together:.0f}/s", each / together, f"one at a time {1 / each:.0f}/s"),
    ]
    if shutil.which("helm"):
        theirs = program(template(root / "repo" / name))[0]
        rows[1] = Row("further ones", f"{1000 * each:.1f} ms", each / theirs, f"helm {1000 * theirs:.0f} ms")
    return rows


async def many(root: Path, name: str, count: int) -> list[Row]:
    """Memory of the program and its workers, after half of the renders, when what is kept of them is full, and after all."""
    renderer, tree = Render(root / "render", workers=1), tools.head(root / "repo")
    half = count // 2
    try:
        await rendering(renderer, tree, name, half, 1)
        before = memory()
        await rendering(renderer, tree, name, count - half, 1, start=half)
        after = memory()
    finally:
        renderer.close()
    megabyte = 1024 * 1024
    against = f"after {half}: {before / megabyte:.0f} MB"
    return [Row(f"memory after {count}", f"{after / megabyte:.0f} MB", after / before, against)]


async def rendering(renderer: Render, tree: GitTree, name: str, count: int, at_once: int, start: int = 0) -> float:
    """Seconds for each of so many renders, all of other values."""
    turns = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with turns:
            await renderer.render(request(tree, name, f"{at_once}-{start}-{number}"))

    begun = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(count)))
    return (time.monotonic() - begun) / count


def request(tree: GitTree, folder: str, name: str) -> RenderRequest:
    """A render under another name."""
    options = {"releaseName": f"web-{name}", "parameters": [{"name": "bench", "value": name}]}
    return RenderRequest(tree, folder, tools.TARGET, "helm", options)


def memory() -> int:
    """Bytes in memory of this process and of its children."""
    own = str(os.getpid())
    total = 0
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name == own or fields[1] == own:
                total += int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            continue  # it has ended, or is no process
    return total


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
