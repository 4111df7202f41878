"""The metrics of `trueup up` and `trueup apiserver`, on the API's own address."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from trueup.app.serve import serving
from trueup.settings import Settings


async def test_metrics_are_for_those_who_may(tmp_path: Path) -> None:
    """An administrator reads them; who shows nothing is refused."""
    settings = Settings(state=tmp_path, port=0, families=("builtin",))
    async with serving(settings, lambda line: None) as now, aiohttp.ClientSession() as session:
        url = f"{now.cluster.server.url}/metrics"
        async with session.get(url, ssl=False) as nobody:
            assert nobody.status in (401, 403)
        admin = {"authorization": f"Bearer {(tmp_path / 'pki' / 'admin.token').read_text().strip()}"}
        async with session.get(url, ssl=False, headers=admin) as answer:
            text = await answer.text()
            assert answer.status == 200
    assert 'trueup_reconcile_total{controller="' in text
