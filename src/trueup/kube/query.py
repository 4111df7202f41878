"""Query parameters as Kubernetes reads them. Called wherever a request's query is read; what comes in are its pairs."""

from __future__ import annotations

from collections.abc import Mapping


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is switched on: Python's clients write ``watch=True``, kubectl ``watch=true``, people ``?watch``.

    apimachinery's ``Convert_Slice_string_To_bool``: everything does, but ``0`` and ``false`` in letters of any size.
    """
    return name in query and query[name] != "0" and query[name].lower() != "false"
