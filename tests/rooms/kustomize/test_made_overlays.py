"""Kustomizations made up from seeds, built here and by the program `kustomize`, where that is installed.

    pytest tests/rooms/kustomize/test_made_overlays.py --overlays 5000 --seed 0

Both have to print the same bytes, or both have to refuse. What differs for a known reason is counted by that reason.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from tests.rooms.kustomize.made_overlays import overlay, shown
from tests.rooms.kustomize.trees import Memory
from trueup.kube.documents import dump_all
from trueup.kustomize import KustomizeProblem, build

VERSION = "v5.8.1"
EXPLAINED = {
    "kustomize panics": re.compile(r"^panic: "),
    "kustomize writes YAML that it cannot read: text that begins with a tab": re.compile(
        r"found a tab character where"
    ),
}
"""What kustomize says where it refuses, for reasons of its own, what builds here."""
WORDED = (
    (re.compile(r"generator (?:&\{\S+ \S+\}|\w+ '[^']*')"), "generator"),
    (re.compile(r"evalsymlink failure on '(.*?)' : lstat \S+: no such file or directory"), r"'\1' doesn't exist"),
    (re.compile(r"(ID conflict|modify the resource map|found multiple objects).*", re.DOTALL), r"\1"),
    (re.compile(r"'' must resolve|root ''"), "'/'"),
    (re.compile(r"'/' must resolve|root '/'"), "'/'"),
    (re.compile(r"map\[string\]interface \{\}(?:\(nil\)|\{.*\}): "), ""),
    (re.compile(r"security; file '/etc/hosts' is not in or below '.*?'(?=':)"), "'/etc/hosts' doesn't exist"),
)
"""Addresses in memory, folders of the machine and whole objects in what kustomize says."""
Outcome = tuple[str, str]


def ours(seed: int) -> Outcome:
    """What building gives here."""
    files, path = overlay(seed)
    try:
        return "yaml", dump_all(build(Memory(files), path).objects)
    except KustomizeProblem as problem:
        return "refused", problem.message.strip()


def theirs(program: str, seed: int, folder: Path) -> Outcome:
    """What the program prints."""
    files, path = overlay(seed)
    top = folder / str(seed)
    for place, content in files.items():
        file = top / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    done = subprocess.run([program, "build", str(top / path)], capture_output=True, text=True, check=False)
    shutil.rmtree(top)
    if not done.returncode:
        return "yaml", done.stdout
    said = done.stderr.replace(str(top), "")
    panic = said.find("panic: ")
    return "refused", said[panic:] if panic >= 0 else said[said.find("Error: ") + 7 :].strip()


def worded(text: str) -> str:
    """A refusal without what differs from run to run."""
    for found, instead in WORDED:
        text = found.sub(instead, text)
    return text


def reason(here: Outcome, there: Outcome) -> str:
    """How two outcomes compare; one that begins with ``differs`` is a mistake."""
    if here == there:
        return f"same {here[0]}"
    if there[0] == "refused":
        for why, said in EXPLAINED.items():
            if said.search(there[1]):
                return f"explained: {why}"
    if here[0] == there[0] == "refused":
        return "same refused" if worded(here[1]) == worded(there[1]) else "refused in other words"
    return f"differs: {there[0]} there, {here[0]} here"


def compared(program: str, seeds: range, folder: Path) -> Iterator[tuple[int, str, Outcome, Outcome]]:
    """Each seed with how its outcomes compare. The program runs beside."""
    with ThreadPoolExecutor(2) as threads:
        waiting = iter(seeds)
        while block := list(islice(waiting, 64)):
            for seed, there in zip(block, threads.map(lambda seed: theirs(program, seed, folder), block), strict=True):
                here = ours(seed)
                yield seed, reason(here, there), here, there


def test_made_up_overlays_build_as_by_the_program(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The same bytes, or a refusal by both, but for what is explained."""
    program = shutil.which("kustomize")
    if program is None:
        pytest.skip("the program kustomize is not installed")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    if version not in (VERSION, "(devel)"):
        pytest.skip(f"kustomize is {version} here, this is {VERSION}")
    first, count = int(request.config.getoption("--seed")), int(request.config.getoption("--overlays"))
    counts: Counter[str] = Counter()
    wrong = []
    for seed, why, here, there in compared(program, range(first, first + count), tmp_path):
        counts[why] += 1
        if why.startswith("differs"):
            wrong.append(f"seed {seed} {why}\n{shown(overlay(seed)[0])}\nTHERE\n{there[1]}\nHERE\n{here[1]}")
    print(f"made-up overlays: {count - len(wrong)} of {count}", dict(counts.most_common()))
    assert wrong == []


@pytest.mark.parametrize("seed", range(40))
def test_made_up_overlays_build_or_are_refused(seed: int) -> None:
    """Nothing but objects or a refusal that says why comes of any kustomization."""
    kind, text = ours(seed)
    assert (kind, bool(text)) in {("yaml", True), ("yaml", False), ("refused", True)}
