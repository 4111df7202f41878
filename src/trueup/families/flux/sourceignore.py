"""Which files of a repository go into an artifact: Flux's ``.sourceignore`` rules. Pure.

Called by `artifact.py`. Sources: fluxcd/pkg ``sourceignore`` and ``artifact/storage`` (the lists of what is always left out, and
what is left out when nothing is said); the patterns are those of go-git's ``gitignore``, which differ from git's own: a folder
that is left out does not take along what a later pattern brings back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trueup.kube import patterns as go

IGNORE_FILE = ".sourceignore"
_VERSION_CONTROL = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
_DEFAULTS = (
    "*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
    ".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
    "codeship-services.yml", "codeship-steps.yml",
    "**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. ``domain`` is the folder that it speaks of, as its parts."""

    domain: tuple[str, ...]
    parts: tuple[str, ...]
    brings_back: bool
    folders_only: bool

    @classmethod
    def parse(cls, line: str, domain: tuple[str, ...] = ()) -> Pattern:
        """As written."""
        brings_back = line.startswith("!")
        line = line[1:] if brings_back else line
        if not line.endswith("\\ "):
            line = line.rstrip(" ")
        folders_only = line.endswith("/")
        return cls(domain, tuple((line[:-1] if folders_only else line).split("/")), brings_back, folders_only)

    def matches(self, path: Sequence[str], is_folder: bool) -> bool:
        """Whether it speaks of this path."""
        depth = len(self.domain)
        if len(path) <= depth or tuple(path[:depth]) != self.domain:
            return False
        rest = path[depth:]
        return self._by_path(rest, is_folder) if len(self.parts) > 1 else self._by_name(rest, is_folder)

    def _by_name(self, path: Sequence[str], is_folder: bool) -> bool:
        for index, name in enumerate(path):
            if name_matches(self.parts[0], name):
                return not (self.folders_only and not is_folder and index == len(path) - 1)
        return False

    def _by_path(self, path: Sequence[str], is_folder: bool) -> bool:
        matched = anywhere = False
        left = list(path)
        for index, part in enumerate(self.parts):
            if part == "":
                anywhere = False
            elif part == "**":
                if index == len(self.parts) - 1:
                    break
                anywhere = True
            elif "**" in part or not left:
                return False
            elif anywhere:
                anywhere = matched_here = False
                while left and not matched_here:
                    matched_here = name_matches(part, left.pop(0))
                matched = matched_here or (matched and bool(left))
            elif not name_matches(part, left.pop(0)):
                return False
            else:
                matched = True
        return matched and not (self.folders_only and not is_folder and not left)


@dataclass(frozen=True, slots=True)
class Rules:
    """Patterns in order; the last one that speaks of a path decides."""

    patterns: tuple[Pattern, ...]
    _hint: go.Pattern | None = field(init=False, repr=False, compare=False)
    """What must be found in a path for any pattern to speak of it: most paths are told by it alone."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hint", _hint(self.patterns))

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """Whether a path stays out of the artifact."""
        if self._hint is not None and not self._hint.found(path):
            return False
        parts = path.split("/")
        for pattern in reversed(self.patterns):
            if pattern.matches(parts, is_folder):
                return not pattern.brings_back
        return False

    @property
    def identity(self) -> str:
        """Equal for equal rules."""
        return "" if self == DEFAULT else repr(self.patterns)


def _hint(patterns: Iterable[Pattern]) -> go.Pattern | None:
    """One expression for the first telling part of every pattern; None when one of them tells nothing by a name."""
    found = set()
    for pattern in patterns:
        part = next((part for part in pattern.parts if part not in ("", "**")), None)
        compiled = go.name_glob(part) if part is not None else None
        if compiled is None:
            return None
        found.add(compiled.text)
    names = "|".join(f"(?:{text})" for text in sorted(found))
    return go.pattern(f"(?:^|/)(?:{names})(?:/|$)") if found else None


def read_lines(text: str, folder: str = "") -> tuple[Pattern, ...]:
    """The patterns of an ignore file that stands in ``folder``."""
    domain = tuple(folder.split("/")) if folder else ()
    return tuple(Pattern.parse(line, domain) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def rules(said: Iterable[Pattern]) -> Rules:
    """With what is always left out; and where nothing is said, with what is left out by default."""
    patterns = tuple(said)
    always = tuple(Pattern.parse(line) for line in _VERSION_CONTROL)
    return Rules((*always, *patterns) if patterns else (*always, *(Pattern.parse(line) for line in _DEFAULTS)))


def name_matches(pattern: str, name: str) -> bool:
    """Go's ``filepath.Match`` of one name; a malformed pattern matches nothing."""
    compiled = go.name_glob(pattern)
    return compiled is not None and compiled.whole(name)


DEFAULT = rules(())
