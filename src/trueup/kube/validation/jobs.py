"""The group batch. Source: Kubernetes ``pkg/apis/batch/validation/validation.go``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from trueup.kube import selectors
from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats, object_meta
from trueup.kube.validation.causes import (
    Causes,
    duplicate,
    each_invalid,
    invalid,
    invalid_go,
    not_negative,
    not_supported,
    one_of,
    required,
    too_long,
    too_many,
)  # fmt: skip
from trueup.kube.validation.pods import template
from trueup.kube.validation.schedules import schedule_problem

_NUMBERS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_OPERATORS = ("In", "NotIn")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_RULES, _CONDITIONS, _CODES = 20, 20, 255
_PARALLEL, _FAILED, _SOFT = 100_000, 100_000, 100_000
_PARALLEL_OF_MANY, _FAILED_OF_MANY = 10_000, 10_000
_LONGEST_INDEXES = 64 * 1024
_LONGEST_MANAGER = 63
_MANY = f"when completions are above {_SOFT} and used with backoff limit per index"
_INDEXED = "requires indexed completion mode"
_is_path = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+").fullmatch
_is_zone = re.compile(r"[A-Za-z0-9._+-]+").fullmatch


def job(obj: Object) -> Causes:
    """batch/v1 Job; it has its selector and its pods' labels from its strategy."""
    spec, name = obj.get("spec") or {}, str(obj["metadata"].get("name") or "")
    yield from _spec(spec, "spec")
    wanted = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if wanted is None:
        if spec.get("manualSelector"):
            yield required("spec.selector")
            yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    else:
        problems = [*object_meta.selector(wanted, "spec.selector")]
        yield from problems
        if spec.get("manualSelector") and not problems and not selectors.label_selector(wanted).matches(labels or {}):
            yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    many = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and many > 0 and formats.label(f"{name}-{many - 1}"):
        text = f"will not able to create pod with invalid DNS label: {name}-{many - 1}"
        yield invalid("metadata.name", name, text)


def cron_job(obj: Object) -> Causes:
    """batch/v1 CronJob."""
    spec = obj.get("spec") or {}
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        yield required("spec.schedule")
    else:
        problem = schedule_problem(schedule)
        if problem:
            yield invalid("spec.schedule", schedule, problem)
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (problem := _zone_problem(zone)):
        yield invalid("spec.timeZone", zone, problem)
    yield from one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    made, path = (spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec"
    yield from _spec(made, path)
    if made.get("selector") is not None:
        yield invalid(f"{path}.selector", made["selector"], "`selector` will be auto-generated")
    if made.get("manualSelector"):
        yield not_supported(f"{path}.manualSelector", True, ("nil", "false"))
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    yield from not_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))


@lru_cache(maxsize=256)
def _zone_problem(name: str) -> str:
    if not name:
        return "timeZone must be nil or non-empty string"
    if any(part in (".", "..") or part.startswith("-") or not _is_zone(part) for part in name.split("/")):
        return f"unknown time zone {name}"
    if name.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return f"unknown time zone {name}"
    return ""


def _spec(spec: Object, path: str) -> Causes:
    for name in _NUMBERS:
        yield from not_negative(f"{path}.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager, mode = spec.get("managedBy"), spec.get("completionMode")
    if manager is not None:
        yield from _manager(manager, f"{path}.managedBy")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        yield from _indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                yield invalid(f"{path}.{name}", spec[name], _INDEXED)
    if spec.get("podFailurePolicy") is not None:
        yield from _failures(spec, f"{path}.podFailurePolicy.rules")
    success = spec.get("successPolicy")
    if success is not None and mode != "Indexed":
        rules = [
            {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}
            for rule in success.get("rules") or ()
        ]
        yield invalid_go(f"{path}.successPolicy", {"Rules": rules or None}, _INDEXED)
    elif success is not None:
        yield from _successes(success.get("rules") or (), spec.get("completions"), f"{path}.successPolicy.rules")
    yield from _template(spec, path)


def _manager(name: str, path: str) -> Causes:
    """A domain and a path below it."""
    domain, slash, rest = name.partition("/")
    if not name:
        yield required(path)
    elif not slash or not domain or not rest:
        yield invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from each_invalid(path, domain, formats.subdomain(domain))
        if not _is_path(rest):
            yield invalid(path, rest, "Invalid path")
    if len(name) > _LONGEST_MANAGER:
        yield too_long(path, _LONGEST_MANAGER)


def _indexed(spec: Object, path: str) -> Causes:
    most, parallel, failed = (spec.get(name) for name in ("completions", "parallelism", "maxFailedIndexes"))
    if most is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallel is not None and parallel > _PARALLEL:
        text = f"must be less than or equal to {_PARALLEL} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallel, text)
    if most is not None and failed is not None and failed > most:
        yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _FAILED:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_FAILED}")
    if most is None or most <= _SOFT or spec.get("backoffLimitPerIndex") is None:
        return
    if failed is None:
        yield required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_SOFT}")
    if parallel is not None and parallel > _PARALLEL_OF_MANY:
        yield invalid(f"{path}.parallelism", parallel, f"must be less than or equal to {_PARALLEL_OF_MANY} {_MANY}")
    if failed is not None and failed > _FAILED_OF_MANY:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_FAILED_OF_MANY} {_MANY}")


def _failures(spec: Object, path: str) -> Causes:
    rules = spec["podFailurePolicy"].get("rules") or ()
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {one.get("name") or "" for part in ("containers", "initContainers") for one in pod.get(part) or ()}
    if len(rules) > _RULES:
        yield too_many(path, len(rules), _RULES)
    for index, rule in enumerate(rules):
        at, action = f"{path}[{index}]", rule.get("action") or ""
        if not action:
            yield required(f"{at}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]')
        elif action == "FailIndex":
            if spec.get("backoffLimitPerIndex") is None:
                yield invalid(f"{at}.action", action, "requires the backoffLimitPerIndex to be set")
        elif action not in _ACTIONS:
            yield not_supported(f"{at}.action", action, _ACTIONS)
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            yield from _codes(codes, f"{at}.onExitCodes", names)
        yield from _conditions(conditions, f"{at}.onPodConditions")
        if codes is not None and conditions:
            yield _of(at, "specifying both OnExitCodes and OnPodConditions is not supported")
        if codes is None and not conditions:
            yield _of(at, "specifying one of OnExitCodes and OnPodConditions is required")


def _of(path: str, detail: str) -> Cause:
    """A cause that shows no value."""
    return Cause("FieldValueInvalid", f"Invalid value: {detail}", path)


def _conditions(found: Sequence[Object], path: str) -> Causes:
    if len(found) > _CONDITIONS:
        yield too_many(path, len(found), _CONDITIONS)
    for index, one in enumerate(found):
        at, kind, status = f"{path}[{index}]", one.get("type") or "", one.get("status") or ""
        yield from each_invalid(f"{at}.type", kind, formats.qualified(kind))
        if not status:
            yield required(f"{at}.status", 'valid values: ["False" "True" "Unknown"]')
        elif status not in _STATUSES:
            yield not_supported(f"{at}.status", status, _STATUSES)


def _codes(found: Object, path: str, names: set[str]) -> Causes:
    operator, name, values = found.get("operator") or "", found.get("containerName"), found.get("values")
    if not operator:
        yield required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
    elif operator not in _OPERATORS:
        yield not_supported(f"{path}.operator", operator, _OPERATORS)
    if name is not None and name not in names:
        text = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", name, text)
    if not values:
        yield invalid(f"{path}.values", values, "at least one value is required")
        return
    if len(values) > _CODES:
        yield too_many(f"{path}.values", len(values), _CODES)
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield duplicate(f"{path}.values[{index}]", value)
    if any(before > after for before, after in pairwise(values)):
        yield invalid(f"{path}.values", values, "must be ordered")


def _successes(rules: Sequence[Object], most: Any, path: str) -> Causes:
    most = most or 0
    if not rules:
        yield required(path, "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _RULES:
        yield too_many(path, len(rules), _RULES)
    for index, rule in enumerate(rules):
        at, indexes, count = f"{path}[{index}]", rule.get("succeededIndexes"), rule.get("succeededCount")
        total = 0
        if count is None and indexes is None:
            yield required(at, "at least one of succeededCount or succeededIndexes must be specified")
        if indexes is not None:
            if len(indexes) > _LONGEST_INDEXES:
                yield too_long(f"{at}.succeededIndexes", _LONGEST_INDEXES)
            try:
                total = count_of(indexes, most)
            except ValueError as problem:
                yield invalid(f"{at}.succeededIndexes", indexes, f"error parsing succeededIndexes: {problem}")
        if count is None:
            continue
        yield from not_negative(f"{at}.succeededCount", count)
        least = "must be less than or equal to"
        if count > most:
            yield invalid(f"{at}.succeededCount", count, f"{least} {most} (the number of specified completions)")
        if indexes is not None and count > total:
            text = f"{least} {total} (the number of indexes in the specified succeededIndexes field)"
            yield invalid(f"{at}.succeededCount", count, text)


def count_of(indexes: str, most: int) -> int:
    """How many indexes a text names, such as ``1,3-5``; a ValueError when it cannot be read."""
    last, total = -1, 0
    for part in indexes.split(",") if indexes else ():
        ends = part.split("-")
        if len(ends) > 2:
            rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise ValueError(f'the fragment "{part}" {rule}')
        low, *rest = (_index(end, most) for end in ends)
        high = rest[0] if rest else low
        if rest and low >= high:
            raise ValueError(f"non-increasing order, previous: {low}, current: {high}")
        if last >= low:
            raise ValueError(f"non-increasing order, previous: {last}, current: {low}")
        total += high - low + 1
        last = high
    return total


def _index(text: str, most: int) -> int:
    if not text.isdecimal():
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= most:
        raise ValueError(f'too large index: "{text}"')
    return int(text)


def _template(spec: Object, path: str) -> Causes:
    replaced, failures = spec.get("podReplacementPolicy"), spec.get("podFailurePolicy")
    known = _REPLACEMENTS if failures is None else ("Failed",)
    if replaced is not None and replaced not in known:
        yield not_supported(f"{path}.podReplacementPolicy", replaced, known)
    found, at = spec.get("template") or {}, f"{path}.template.spec.restartPolicy"
    yield from template(found, f"{path}.template")
    policy = (found.get("spec") or {}).get("restartPolicy") or ""
    if policy in ("Always", ""):
        yield required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(at, policy, ("OnFailure", "Never"))
    elif failures is not None and policy != "Never":
        yield invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')
