"""Query parameters as Kubernetes reads them. Called wherever a request's query is read; what comes in are its pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Query(dict[str, str]):
    """The pairs of a query by name; of a name that comes more than once, the last counts, and all are kept."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def every(self, name: str) -> Sequence[str]:
        """All that is said of a name."""
        return [value for key, value in self.pairs if key == name]


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is switched on: Python's clients write ``watch=True``, kubectl ``watch=true``, people ``?watch``.

    apimachinery's ``Convert_Slice_string_To_bool``: everything does, but ``0`` and ``false`` in letters of any size.
    """
    return name in query and query[name] != "0" and query[name].lower() != "false"
