"""A headless chromium, driven over its own debugging pipe: no further package, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_READ, _WRITE = 3, 4
"""The descriptors that ``--remote-debugging-pipe`` reads from and writes to."""


class Browser:
    """One page of a browser. Source: Chrome DevTools Protocol."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._rest, self._id, self._session = to, back, b"", 0, ""
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log"):
            self.call(f"{part}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its answer."""
        self._id += 1
        message: dict[str, Any] = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._id:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(answer["params"]["exceptionDetails"])[:1000])
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.errors.append(
                    f"{answer['params']['entry'].get('text')} {answer['params']['entry'].get('url', '')}"
                )

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._back], [], [], 20)
            assert ready, "the browser does not answer"
            self._rest += os.read(self._back, 1 << 20)
        line, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def open(self, url: str) -> None:
        """Go to a page; waits until it is there."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def ask(self, expression: str) -> Any:
        """What JavaScript on the page says."""
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def until(self, expression: str, within: float = 20.0) -> None:
        """Until JavaScript on the page says yes."""
        ends = time.monotonic() + within
        while True:
            try:
                found = self.ask(f"Boolean({expression})")
            except AssertionError:  # the page is being replaced
                found = None
            if found:
                return
            assert time.monotonic() < ends, (
                f"not within {within} s: {expression}: {self.ask('document.body.innerText')}"
            )
            time.sleep(0.03)

    def key(self, text: str) -> None:
        """Press a key."""
        named = {"Escape": "Escape", "Enter": "Enter", "Tab": "Tab"}.get(text)
        for type in ("keyDown", "keyUp"):
            given = {"key": text, "text": "" if named or type == "keyUp" else text}
            self.call("Input.dispatchKeyEvent", type=type, **given)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size and colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def picture(self, path: Path) -> None:
        """What the page looks like."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser of its own, that trusts whatever certificate it is shown."""
    assert CHROMIUM is not None
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--ignore-certificate-errors", "--disable-extensions", "--hide-scrollbars", f"--user-data-dir={folder}",
               "--remote-debugging-pipe", "about:blank"]  # fmt: skip
    # Only these two descriptors go along, under the numbers that the browser knows them by.
    script = f'exec {_READ}<&{to_read} {_WRITE}>&{back_write}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *command], pass_fds=(to_read, back_write),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(back_write)
    try:
        yield Browser(to_write, back_read)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to_write)
        os.close(back_read)
