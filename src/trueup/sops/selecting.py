"""Which values of a file are encrypted: by the keys on their path, or by the comments before them. Pure.

Called by `walk.py`. Patterns are a repository's own: RE2 reads them, in time that grows with the text alone, and a pattern has a
greatest length. Source: SOPS, ``sops.go`` (``shouldBeEncrypted``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.patterns import BadPattern, Pattern, pattern
from trueup.sops.problems import Malformed

CHOICES = (
    "unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex",
    "unencrypted_comment_regex", "encrypted_comment_regex",
)  # fmt: skip
"""A file has one of them."""
DEFAULT_SUFFIX = "_unencrypted"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Rules:
    """One choice: what it is called, and its suffix or pattern."""

    choice: str = ""
    text: str = ""
    found: Pattern | None = None

    @classmethod
    def parse(cls, written: Mapping[str, Any]) -> Rules:
        """From a file's metadata or a creation rule; none at all means the default suffix."""
        chosen = {name: text for name in CHOICES if (text := written.get(name))}
        if len(chosen) > 1:
            raise Malformed(f"only one of {' and '.join(chosen)} may be used in a file: remove the others")
        for name, text in chosen.items():
            return cls(name, str(text), _pattern(name, str(text)) if name.endswith("_regex") else None)
        return cls()

    @property
    def written(self) -> dict[str, str]:
        """As in a file's metadata."""
        return {self.choice: self.text} if self.choice else {}

    @property
    def by_comment(self) -> bool:
        """Whether comments decide."""
        return self.choice.endswith("comment_regex")

    def hit(self, key: str) -> bool:
        """Whether a key on the path is one that the rule speaks of."""
        if self.found is None:
            return key.endswith(self.text or DEFAULT_SUFFIX)
        return not self.by_comment and self.found.found(key)

    def encrypted(self, hit: bool, comments: Sequence[Sequence[str]] = (), *, comment: bool = False) -> bool:
        """``hit``: a key on the path was one. ``comments``: those that stand before each key of the path; the last of them is
        this one, when a ``comment`` is judged, and never makes itself encrypted."""
        if self.by_comment:
            hit = self._commented(comments, comment and self.choice == "encrypted_comment_regex")
        return hit if self.choice.startswith("encrypted") else not hit

    def _commented(self, comments: Sequence[Sequence[str]], but_last: bool) -> bool:
        assert self.found is not None
        for level, texts in enumerate(comments):
            counted = texts[:-1] if but_last and level == len(comments) - 1 else texts
            if any(self.found.found(text) for text in counted):
                return True
        return False


def _pattern(name: str, text: str) -> Pattern:
    if len(text) > _LONGEST:
        raise Malformed(f"{name} has {len(text)} characters: no more than {_LONGEST} are read")
    try:
        return pattern(text)
    except BadPattern as problem:
        raise Malformed(f"{name}: {problem}") from None
