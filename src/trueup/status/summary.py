"""Many conditions into one, as people want to read it. Called by whatever reports a status.

Source: kstatus ("The Ready condition") and Flux's ``conditions.SetSummary``: the most telling bad condition speaks for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trueup.kube.names import Object
from trueup.status.conditions import Condition, find

_WORST = {"False": 0, "Unknown": 1, "True": 2}


def ready(
    conditions: Iterable[Object], *, good: Sequence[str] = (), bad: Sequence[str] = ("Stalled",), generation: int = 0
) -> Condition:
    """The ``Ready`` condition: false when a ``bad`` one is true or a ``good`` one false, unknown while one is unknown.

    Among several reasons the first of ``bad``, then of ``good`` in the order given speaks; all well: the last ``good`` one.
    """
    known = list(conditions)
    for type in bad:
        found = find(known, type)
        if found is not None and found.get("status") == "True":
            return _as_ready(found, "False", generation)
    present = [found for type in good if (found := find(known, type)) is not None]
    if not present:
        return Condition("Ready", "Unknown", "Progressing", "nothing is known yet", generation)
    worst = min(present, key=lambda c: _WORST.get(str(c.get("status")), 1))
    if worst.get("status") == "True":
        return _as_ready(present[-1], "True", generation)
    return _as_ready(worst, "False" if worst.get("status") == "False" else "Unknown", generation)


def _as_ready(condition: Object, status: str, generation: int) -> Condition:
    reason, message = str(condition.get("reason") or ""), str(condition.get("message") or "")
    if status == "True":
        return Condition("Ready", "True", reason, message, generation)
    return Condition("Ready", "False" if status == "False" else "Unknown", reason, message, generation)
