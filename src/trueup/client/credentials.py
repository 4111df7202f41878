"""What proves who asks, fresh: headers per call, a client certificate per connection. Called by `http.py`.

Tokens in files are read again, plug-ins are run again when what they gave expires or the server refuses it.
Source: client-go ``rest/exec`` and ``transport/token_source.go`` (a file is read again after a minute).
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from trueup.client.access import AccessProblem, ClusterAccess, ExecPlugin
from trueup.ports import Clock
from trueup.timing.rfc3339 import parse_time

_FILE_LASTS = 60.0
_EARLY = 10.0
_PLUGIN_MAY_TAKE = 60.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What to show: an ``Authorization`` header, a client certificate with its key, or nothing."""

    authorization: str = ""
    certificate: bytes = b""
    key: bytes = b""
    until: float = float("inf")


class Credentials:
    """The identity of a `ClusterAccess`, kept fresh."""

    def __init__(self, access: ClusterAccess, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._proof: Proof | None = None
        self._renewing = asyncio.Lock()

    def current(self) -> Proof | None:
        """The proof at hand while it is fresh, without waiting."""
        proof = self._proof
        return proof if proof is not None and (proof.until == float("inf") or self._clock.now() < proof.until) else None

    async def proof(self) -> Proof:
        """A fresh proof. Raises ``AccessProblem``."""
        proof = self.current()
        if proof is not None:
            return proof
        async with self._renewing:
            proof = self.current()
            if proof is None:
                proof = self._proof = await self._renew()
            return proof

    def refused(self, proof: Proof) -> bool:
        """The server did not take it; whether another may be had."""
        if self._proof is proof and proof.until != float("inf"):
            self._proof = None
        return proof.until != float("inf")

    async def _renew(self) -> Proof:
        access = self._access
        if access.exec is not None:
            return await self._run(access.exec)
        certificate, key = access.certificate, access.key
        if access.token_file is not None:
            try:
                token = (await asyncio.to_thread(access.token_file.read_text)).strip()
            except OSError as problem:
                raise AccessProblem(f"token {access.token_file}: {problem.strerror}") from problem
            return Proof(f"Bearer {token}", certificate, key, self._clock.now() + _FILE_LASTS)
        if access.token:
            return Proof(f"Bearer {access.token}", certificate, key)
        if access.username:
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            return Proof(f"Basic {pair}", certificate, key)
        return Proof("", certificate, key)

    async def _run(self, plugin: ExecPlugin) -> Proof:
        output = await _output(plugin)
        try:
            credential = orjson.loads(output)
            status = credential.get("status") or {}
        except (orjson.JSONDecodeError, AttributeError) as problem:
            raise AccessProblem(f"{plugin.command} printed no ExecCredential") from problem
        if credential.get("apiVersion") != plugin.api_version:
            version = credential.get("apiVersion")
            raise AccessProblem(f"{plugin.command} answered in {version}, it was asked for {plugin.api_version}")
        token, certificate = status.get("token") or "", status.get("clientCertificateData") or ""
        if not token and not certificate:
            raise AccessProblem(f"{plugin.command} gave neither a token nor a certificate")
        expires = status.get("expirationTimestamp")
        # Without an expiry it is good until refused; a number that is no infinity marks it as renewable.
        until = parse_time(expires) - _EARLY if expires else 1e15
        key = status.get("clientKeyData") or ""
        return Proof(f"Bearer {token}" if token else "", certificate.encode(), key.encode(), until)


async def _output(plugin: ExecPlugin) -> bytes:
    info: dict[str, object] = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False, **({"cluster": plugin.cluster} if plugin.cluster else {})},
    }
    env: Mapping[str, str] = {
        **os.environ,
        **dict(plugin.env),
        "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode(),
    }
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command, *plugin.args, env=env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as problem:
        hint = f"\n{plugin.hint}" if plugin.hint else ""
        raise AccessProblem(f"{plugin.command} cannot be started: {problem.strerror}{hint}") from problem
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _PLUGIN_MAY_TAKE)
    except TimeoutError:
        raise AccessProblem(f"{plugin.command} gave no credentials within {_PLUGIN_MAY_TAKE:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = errors.decode(errors="replace").strip().splitlines()
        raise AccessProblem(
            f"{plugin.command} failed ({process.returncode}): {said[-1] if said else 'no reason given'}"
        )
    return output
