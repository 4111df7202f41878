"""Requests made up from the published OpenAPI documents, right and wrong ones: none finds an error that was not foreseen.

``--fuzz SECONDS`` says for how long; schemathesis is in the dependency group ``fuzz``. Seeds are printed: ``--seed`` repeats one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.conformance.wide.runner import connect
from trueup.app.embedded import embedded
from trueup.client.kubeconfig import load
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings

ENDLESS = "/(watch|proxy|log|exec|attach|portforward)(/|$)"
"""Paths whose answers go on, or that only a node answers."""
LEAST = 20


async def test_requests_by_the_published_documents(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """No request of schemathesis' is answered with an error of the server's own making."""
    seconds = int(request.config.getoption("--fuzz"))
    program = shutil.which("schemathesis")
    if not seconds or program is None:
        pytest.skip("--fuzz SECONDS is not given, or schemathesis (dependency group fuzz) is not installed")
    seed = int(request.config.getoption("--seed")) or random.randrange(2**32)
    async with (
        embedded(Settings(state=None, port=0, simulate=False), SystemClock()) as own,
        _documents(own.kubeconfig, tmp_path) as (
            documents,
            address,
        ),
    ):
        share = max(LEAST, seconds // (len(documents) + 3))
        broken: list[str] = []
        for number, document in enumerate(documents):
            for_all = 3 * share if document.name == "v2.json" else share  # it has everything again
            told = await _walk(program, document, address, own.kubeconfig, tmp_path, seed + number, for_all)
            print(f"{document.name} seed {seed + number}: {told.splitlines()[-1] if told.splitlines() else ''}")
            if "no_bug" in told or "Check failed" in told:
                broken.append(told[-6000:])
    print(f"{len(documents) - len(broken)} of {len(documents)} documents")

    assert broken == []


@asynccontextmanager
async def _documents(kubeconfig: Path, folder: Path) -> AsyncIterator[tuple[list[Path], str]]:
    """Each group's document of version 3 and the one of version 2, as files, and where the server is."""
    async with AsyncExitStack() as stack:
        side = await connect(stack, kubeconfig)
        found = []
        paths = (await _get(side.session, f"{side.url}/openapi/v3"))["paths"]
        for name, where in sorted(paths.items()):
            found.append(
                (f"{name.replace('/', '.')}.json", await _get(side.session, side.url + where["serverRelativeURL"]))
            )
        found.append(("v2.json", await _get(side.session, f"{side.url}/openapi/v2")))
        files = []
        for name, document in found:
            file = folder / name
            file.write_text(json.dumps(document))
            files.append(file)
        yield files, side.url


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, object]:
    async with session.get(url, headers={"Accept": "application/json"}) as answer:
        answer.raise_for_status()
        return await answer.json()  # type: ignore[no-any-return]


async def _walk(
    program: str, document: Path, address: str, kubeconfig: Path, folder: Path, seed: int, seconds: int
) -> str:
    """One run of schemathesis; what it says."""
    access = load(kubeconfig)
    credentials: list[str] = []
    if access.certificate and access.key:
        for name, held in (("cert", access.certificate), ("cert-key", access.key)):
            file = folder / f"client.{name}"
            file.write_bytes(held)
            credentials += [f"--request-{name}", str(file)]
    if access.token:
        credentials += ["--header", f"Authorization: Bearer {access.token}"]
    options = (
        "run", str(document), "--url", address, "--checks", "no_bug", "--seed", str(seed), "--max-time", str(seconds),
        "--tls-verify", "false", "--request-timeout", "10", "--exclude-path-regex", ENDLESS, "--continue-on-failure",
        "--phases", "coverage,fuzzing", "--max-examples", "20", "--no-color", "--warnings", "off",
        "--generation-database", "none", "--suppress-health-check", "all", "--no-shrink",
    )  # fmt: skip
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.conformance.published.hooks",
        "PYTHONPATH": str(root),
        "PYTHONWARNINGS": "ignore",
    }
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            program, *options, *credentials, cwd=folder, env=environment, stdout=output, stderr=output
        )
        await process.wait()
        output.seek(0)
        return output.read().decode(errors="replace")
