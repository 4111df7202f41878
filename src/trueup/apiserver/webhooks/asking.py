"""Asking one webhook about one write: what both plugins do alike."""

from __future__ import annotations

import logging
import time

import orjson

from trueup.apiserver import fresh
from trueup.apiserver.counting import CALLING, NO_ERROR, Counts
from trueup.apiserver.policies.asked import Asked
from trueup.apiserver.registry import Served
from trueup.apiserver.webhooks import reviews
from trueup.apiserver.webhooks.caller import Caller, Uncallable
from trueup.apiserver.webhooks.hooks import Hook
from trueup.apiserver.webhooks.reviews import Unusable, Verdict
from trueup.kube.problems import ApiProblem, BadRequest

_log = logging.getLogger("trueup.apiserver")
_UNAVAILABLE = 503
"""What the failure to call a webhook counts as. Source: ``mutating/dispatcher.go``, ``NewServiceUnavailable``."""


class Failed(Exception):
    """The webhook could not be asked, or its answer made no sense: its failure policy says what that means."""


async def ask(caller: Caller, hook: Hook, asked: Asked, matched: Served, counts: Counts, *, mutating: bool) -> Verdict:
    """`_ask`, counted as Kubernetes counts it: a failure that is passed over is no refusal."""
    began = time.perf_counter()
    code, rejected, error = 200, False, NO_ERROR
    try:
        return await _ask(caller, hook, asked, matched, mutating=mutating)
    except Failed:
        code, rejected, error = _UNAVAILABLE, not hook.ignorable, CALLING
        raise
    except ApiProblem as refusal:
        code, rejected = refusal.code, True
        raise
    finally:
        kind = "admit" if mutating else "validating"
        counts.asked(
            hook.name, kind, asked.operation, time.perf_counter() - began, code=code, rejected=rejected, error=error
        )


async def _ask(caller: Caller, hook: Hook, asked: Asked, matched: Served, *, mutating: bool) -> Verdict:
    """What the webhook says. Raises ``Failed``; ``BadRequest`` and its refusal, which no failure policy passes over."""
    write = asked.write
    if write.dry_run and not hook.knows_dry_run:
        raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
    try:
        version = reviews.version_for(hook.spec.get("admissionReviewVersions") or ())
        uid = fresh.uid()
        body = orjson.dumps(reviews.review(version, uid, asked, matched))
        reply = await caller.post(hook.spec.get("clientConfig") or {}, body, hook.seconds)
        if not 200 <= reply.status <= 206:
            why = reviews.rejected(reply.status, reply.body, reply.content_type)
            raise Failed(f"failed to call webhook: {why}")
        if not reply.body:
            what = f"0-length response with status code: {reply.status} and content type: {reply.content_type}"
            raise Failed(f"failed to call webhook: {what}")
        said = reviews.verdict(reply.body, version, uid, mutating=mutating)
    except Uncallable as why:
        raise Failed(f"failed to call webhook: {why}") from why
    except Unusable as why:
        raise Failed(str(why)) from why
    for key, value in said.annotations.items():
        write.annotations.setdefault(f"{hook.name}/{key}", value)
    write.warnings.extend(text for text in said.warnings if text not in write.warnings)
    if not said.allowed:
        raise reviews.denial(hook.name, said.status)
    return said


def passed_over(hook: Hook, why: Failed) -> None:
    """Say that a webhook's failure was ignored."""
    _log.warning("failed calling webhook %s, failing open: %s", hook.name, why)
