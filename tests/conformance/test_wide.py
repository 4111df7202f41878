"""Random sequences of calls over every kind get the same answers from two servers, and never an unexpected one.

Two embedded servers always; the embedded one against a genuine Kubernetes where ``--kubeconfig`` names one that runs
without controllers. ``--sequences N`` says how many, ``--seed`` where to begin.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conformance.wide.runner import Report, run
from trueup.app.embedded import embedded
from trueup.runtime.clock import SystemClock
from trueup.settings import Settings


async def test_two_servers_answer_alike(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Objects, owners of fields, codes and reasons; between embedded servers every word too; never a failure of the server's."""
    config = request.config
    count, seed = int(config.getoption("--sequences")), int(config.getoption("--seed"))
    genuine = str(config.getoption("--kubeconfig"))
    async with AsyncExitStack() as stack:
        settings = Settings(state=None, port=0, simulate=False)
        own = await stack.enter_async_context(embedded(settings, SystemClock()))
        other = await stack.enter_async_context(embedded(settings, SystemClock()))
        expected = Path(genuine) if genuine else other.kubeconfig

        report: Report = await run(expected, own.kubeconfig, seed, count, name=f"wide{seed}")

    print(report.summary())
    assert [one.show() for one in report.differences if not one.worded] == []
    if not genuine:
        assert [one.show() for one in report.differences] == []
    assert [code for code in report.codes if code >= 500] in ([], [500])  # an apply that does not fit is answered so
