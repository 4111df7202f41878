"""Small repositories made on the spot."""

from pathlib import Path

import pygit2


class Repository:
    """A working repository whose commits are written object by object."""

    def __init__(self, path: Path, *, bare: bool = False) -> None:
        self.path = path
        self.git = pygit2.init_repository(str(path), bare=bare, initial_head="main")
        self.author = pygit2.Signature("Ada", "ada@example.com", 1_700_000_000, 60)

    def commit(self, files: dict[str, str], branch: str = "main", message: str = "Change") -> str:
        """One commit with exactly these files; a value that starts with ``-> `` is a symbolic link."""
        ref = f"refs/heads/{branch}"
        parents = [self.git.references[ref].target] if ref in self.git.references else []
        tree = self._tree(files)
        return str(self.git.create_commit(ref, self.author, self.author, message, tree, parents))

    def tag(self, name: str, commit: str, *, annotated: bool = False) -> None:
        """A tag on a commit."""
        if annotated:
            self.git.create_tag(name, pygit2.Oid(hex=commit), pygit2.enums.ObjectType.COMMIT, self.author, "Release")
        else:
            self.git.references.create(f"refs/tags/{name}", commit)

    def _tree(self, files: dict[str, str]) -> pygit2.Oid:
        folders: dict[str, dict[str, str]] = {}
        builder = self.git.TreeBuilder()
        for path, text in files.items():
            first, _, rest = path.partition("/")
            if rest:
                folders.setdefault(first, {})[rest] = text
            elif text.startswith("-> "):
                builder.insert(first, self.git.create_blob(text[3:].encode()), pygit2.enums.FileMode.LINK)
            else:
                builder.insert(first, self.git.create_blob(text.encode()), pygit2.enums.FileMode.BLOB)
        for name, inside in folders.items():
            builder.insert(name, self._tree(inside), pygit2.enums.FileMode.TREE)
        return builder.write()
