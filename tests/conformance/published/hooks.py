"""What of a server's answers counts as broken; used by the test beside, which starts schemathesis with it."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.check
def no_bug(ctx: Any, response: Any, case: Any) -> None:
    """A patch that does not fit its schema is answered 500 by Kubernetes too: what the server did not foresee says so."""
    if response.status_code >= 500 and b'"reason":"InternalError"' in response.content.replace(b'": "', b'":"'):
        raise AssertionError(f"{response.status_code} {response.content[:300]!r}")


@schemathesis.hook
def map_query(ctx: Any, query: Any) -> Any:
    """Nobody waits for what a watch would tell."""
    for name in ("watch", "follow", "sendInitialEvents"):
        if isinstance(query, dict):
            query.pop(name, None)
    return query
