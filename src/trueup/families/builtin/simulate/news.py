"""Whether a pod's uneventful start is told in events: of some always, of a thousand at once not of each.

Called by `scheduler` and `kubelet`. What goes wrong is always told.
"""

from __future__ import annotations

from collections import OrderedDict

_BURST, _A_SECOND = 60.0, 4.0
"""Pods that are told of, at once and in the long run: each is four events, and each event costs as much as the pod."""
_REMEMBERED = 2048


class News:
    """A bucket of tokens, and what was decided for whom."""

    def __init__(self) -> None:
        self._tokens, self._since = _BURST, 0.0
        self._told: OrderedDict[str, bool] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def tells(self, uid: str, moment: float) -> bool:
        """The same answer for one pod for as long as it matters."""
        known = self._told.get(uid)
        if known is None:
            self._tokens = min(_BURST, self._tokens + max(0.0, moment - self._since) * _A_SECOND)
            self._since = moment
            known = self._told[uid] = self._tokens >= 1
            self._tokens -= known
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        return known

    def first(self, uid: str) -> bool:
        """Whether it is the first time that a pod's end is to be told."""
        if uid in self._ended:
            return False
        self._ended[uid] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        return True
