"""A Git server for tests: Git's own HTTP backend behind a small web server, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Literal

from aiohttp import web

Fault = Literal["", "hang", "500", "cut", "garbage", "empty"]


class GitHost:
    """Serves the repositories of a folder over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allowed = ""
        """The Authorization header that is let in; empty: everybody."""
        self.elsewhere = ""
        """Where every request is redirected to."""
        self.faults: dict[str, Fault] = {}
        """How requests under a path (``/name.git``) are treated; only fetches where it ends in ``/git-upload-pack``."""
        self.seen: list[str] = []
        """The Authorization headers that came."""
        self.hanging = 0
        """Requests that are being left unanswered."""

    async def start(self) -> str:
        """The address of the server."""
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self.serve)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Hang up on everybody."""
        await self.runner.cleanup()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One CGI call, or what stands in its place."""
        authorization = request.headers.get("Authorization", "")
        self.seen.append(authorization)
        if self.elsewhere:
            raise web.HTTPFound(f"{self.elsewhere}{request.path_qs}")
        if self.allowed and authorization != self.allowed:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        fault = next((fault for path, fault in self.faults.items() if request.path.startswith(path)), "")
        if fault == "hang":
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
        if fault == "500":
            return web.Response(status=500, text="out of order")
        status, headers, body = await self._backend(request)
        if fault == "cut":
            headers["Content-Length"] = str(len(body))
            answer = web.StreamResponse(status=status, headers=headers)
            await answer.prepare(request)
            await answer.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        if fault == "garbage":
            body = body[: len(body) // 2] + bytes(byte ^ 0x55 for byte in body[len(body) // 2 :])
        elif fault == "empty":
            body = b""
        return web.Response(status=status, headers=headers, body=body)

    async def _backend(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend",
            env={
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.folder), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": request.path, "QUERY_STRING": request.query_string, "REQUEST_METHOD": request.method,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""), "GIT_CONFIG_GLOBAL": os.devnull,
            },
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return int(headers.pop("Status", "200")[:3]), headers, body
