"""`trueup render FOLDER` of a kustomization, without options: run once per folder by scripts, so that its start counts.

Called by `main`. It loads neither the command line's library nor the other verbs, and ends as soon as all is printed; in all
else it is `render`. Whatever is more than that is left to `render`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


def quick(arguments: Sequence[str]) -> bool:
    """Builds and ends the process if that is all that was asked for; answers False if it is not."""
    folder = _folder(arguments)
    if folder is None or any(name.startswith("TRUEUP_") for name in os.environ):  # variables may hold options
        return False
    gc.disable()  # this process ends before there is anything to collect, within the limits of a render
    from trueup.app.folder import is_kustomization

    if "--as" not in arguments and not is_kustomization(folder):
        gc.enable()
        return False
    return _build(folder)


def _folder(arguments: Sequence[str]) -> Path | None:
    """The folder, if nothing but ``--as kustomize`` is said of it."""
    if not arguments or arguments[0] != "render":
        return None
    left = list(arguments[1:])
    if "--as" in left:
        at = left.index("--as")
        if left[at + 1 : at + 2] != ["kustomize"]:
            return None
        del left[at : at + 2]
    if len(left) != 1 or left[0].startswith("-") or not os.path.isdir(left[0]):
        return None
    return Path(left[0])


def _build(folder: Path) -> NoReturn:
    from trueup.app.folder import render_kustomization
    from trueup.kube.versions import DEFAULT_VERSION
    from trueup.kube.yaml_printing import dump_all
    from trueup.ports import RenderProblem, SourceProblem, Target

    code, said = 0, ""
    try:
        found = render_kustomization(folder, Target(f"v{DEFAULT_VERSION}.0"))
        said = "".join(f"warning: {warning}\n" for warning in found.warnings)
        sys.stdout.write(dump_all(found.objects))
    except (RenderProblem, SourceProblem) as problem:
        code, said = 2, f"error: {problem}\n"
    except KeyboardInterrupt:
        code, said = 130, "interrupted\n"
    sys.stderr.write(said)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)  # without taking everything down piece by piece
