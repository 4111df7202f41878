"""MutatingWebhookConfiguration: webhooks that change writes, one after another, some of them twice.

Source: apiserver ``admission/plugin/webhook/mutating/{dispatcher,reinvocationcontext}.go``, ``admission/reinvocation.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from trueup.apiserver.admission.plugin import Admission
from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.asked import Asked
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.verbs import prepare
from trueup.apiserver.webhooks import reviews
from trueup.apiserver.webhooks.asking import Failed, ask, passed_over
from trueup.apiserver.webhooks.caller import Caller
from trueup.apiserver.webhooks.hooks import EXEMPT, Hook, Hooks, is_part, is_scale, scaled_back
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem, BadRequest, Cause
from trueup.kube.reading import WrongType
from trueup.merge.jsonpatch import PatchProblem, json_patch

_MUTATION = "mutation.webhook.admission.k8s.io/"
_PATCH = "patch.webhook.admission.k8s.io/"
"""The annotation that holds a patch: for audit policies that log bodies alone."""
_OPEN = f"failed-open.{_MUTATION}"


@dataclass(slots=True)
class _Course:
    """One write on its way through the webhooks."""

    served: Served
    operation: str
    obj: Object
    old: Object | None
    write: Write
    space: str
    again: set[Hook] = field(default_factory=set)
    """Webhooks to be asked once more: something was changed after they were asked."""
    invoked: set[Hook] = field(default_factory=set)
    """Those asked since the last change that want to be asked again after one."""
    changed: bool = False

    def asked(self) -> Asked:
        """The write as it is by now."""
        obj = None if self.operation == "DELETE" else self.obj
        return Asked(self.served, self.operation, obj, self.old, self.write)

    def note_change(self) -> None:
        """Whoever was asked before has not seen this."""
        self.again |= self.invoked
        self.invoked.clear()


class MutatingWebhooks:
    """The admission plugin. ``before``: the plugins that come first; they run again after a webhook's change."""

    def __init__(self, hub: Hub, caller: Caller, before: Sequence[Admission]) -> None:
        self._hub, self._caller, self._before = hub, caller, tuple(before)
        self._hooks = Hooks(hub, "mutatingwebhookconfigurations")

    @property
    def there(self) -> bool:
        """Whether any webhook is configured."""
        return bool(self._hooks.all())

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Changes the object in place. Raises what a webhook that refuses wants raised."""
        hooks = self._hooks.all()
        if not hooks or served.storage in EXEMPT or not write.reviewed:
            return
        course = _Course(served, operation, obj, old, write, obj["metadata"].get("namespace") or "")
        managed = obj["metadata"].get("managedFields")
        await self._round(hooks, course, 0)
        if course.changed:
            last = prepare.copy(obj)
            for plugin in self._before:
                await plugin(served, operation, obj, old, write)
            if last != obj:
                course.note_change()
            await self._round(hooks, course, 1)
            _restore_managers(obj, managed, write)

    async def _round(self, hooks: Sequence[Hook], course: _Course, number: int) -> None:
        patched = False
        for index, hook in enumerate(hooks):
            if number and hook not in course.again:
                continue
            matched = await self._hooks.matched(hook, course.asked())
            if matched is None:
                continue
            place = f"round_{number}_index_{index}"
            changed = False
            try:
                changed = await self._call(hook, course, *matched, place)
            except Failed as why:
                if not hook.ignorable:
                    raise reviews.failure(hook.name, str(why)) from why
                passed_over(hook, why)
                course.write.annotations.setdefault(f"{_OPEN}{place}", hook.name)
            finally:
                note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
                course.write.annotations.setdefault(f"{_MUTATION}{place}", orjson.dumps(note).decode())
            if changed:
                patched = course.changed = True
                course.note_change()
            if hook.spec.get("reinvocationPolicy") == "IfNeeded":
                course.invoked.add(hook)
        if patched:
            _settle(course)

    async def _call(self, hook: Hook, course: _Course, matched: Served, asked: Asked, place: str) -> bool:
        """Whether the webhook changed anything."""
        said = await ask(self._caller, hook, asked, matched, self._hub.counts, mutating=True)
        if not said.patch:
            return False
        operations = _operations(said.patch)
        if not operations:
            return False
        if asked.obj is None:
            what = "attempted to modify the object, which is not supported for this operation"
            raise reviews.internal(f'admission webhook "{hook.name}" {what}')
        if said.patch_type != "JSONPatch":
            raise Failed(f'unsupported patch type "{said.patch_type}"')
        new = _patched(asked.obj, operations, matched, course.write)
        changed = new != asked.obj
        note = {
            "configuration": hook.configuration,
            "webhook": hook.name,
            "patch": operations,
            "patchType": "JSONPatch",
        }
        course.write.annotations.setdefault(f"{_PATCH}{place}", orjson.dumps(note).decode())
        if is_scale(matched, course.write):
            new = scaled_back(course.served, course.obj, new)
        elif not is_part(matched, course.write):
            prepare.default(matched, new)
            if matched is not course.served:
                new = prepare.copy(await self._hub.converted(course.served, new))
        if (new["metadata"].get("namespace") or "") != course.space:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        course.obj.clear()
        course.obj.update(new)
        return changed


def _operations(patch: bytes) -> list[Object]:
    try:
        found = orjson.loads(patch)
    except orjson.JSONDecodeError as problem:
        raise Failed(f"received undecodable patch in webhook response: {problem}") from None
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return found
    word = "object" if isinstance(found, dict) else "array" if isinstance(found, list) else "value"
    what = f"json: cannot unmarshal {word} into Go value of type jsonpatch.Patch"
    raise Failed(f"received undecodable patch in webhook response: {what}")


def _patched(obj: Object, operations: list[Object], served: Served, write: Write) -> Object:
    """The object after a patch, read as its kind. What does not fit is the server's own failure, as in Kubernetes."""
    try:
        new = prepare.copy(json_patch(obj, operations))
    except PatchProblem as problem:
        raise reviews.internal(str(problem)) from None
    if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
        raise reviews.internal("the patched document is no object")
    if (new.get("apiVersion"), new.get("kind")) != (obj.get("apiVersion"), obj.get("kind")):
        short = str(new.get("apiVersion")).rpartition("/")[2]
        known = served.kind.group.partition(".")[0] or "core"
        raise ApiProblem(f"converting ({short}.{new.get('kind')}) to ({known}.{obj.get('kind')}): unknown conversion")
    if served.struct is None or is_part(served, write):
        return new
    unknown: list[tuple[Object, str]] = []
    try:
        served.struct.check(new, lambda holder, name, trail: unknown.append((holder, name)))
    except WrongType as wrong:
        raise reviews.internal(str(wrong)) from None
    for holder, name in unknown:
        del holder[name]
    return new


def _settle(course: _Course) -> None:
    """After a round: a custom object's unknown fields go, and it is still where it was written to."""
    served, obj = course.served, course.obj
    if served.custom and not is_part(served, course.write):
        try:
            prepare.decode(served, obj, Write(validation="Ignore"))
        except BadRequest as problem:
            raise reviews.internal(problem.message) from None
    meta = obj["metadata"]
    if course.old is not None and meta.get("name") != course.old["metadata"]["name"]:
        cause = Cause("FieldValueInvalid", f'Invalid value: "{meta.get("name")}": field is immutable', "metadata.name")
        raise prepare.invalid(served, str(meta.get("name")), [cause])


def _restore_managers(obj: Object, before: Any, write: Write) -> None:
    """Managed fields that a webhook spoilt are those from before. Source: ``managedfields/admission.go``."""
    wrong = next(_unmanaged(obj["metadata"].get("managedFields") or ()), "")
    if wrong:
        obj["metadata"]["managedFields"] = before
        write.warnings.append(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated "
            f"mutating admission controller; please fix your requests: {wrong}"
        )


def _unmanaged(entries: Sequence[Object]) -> Iterator[str]:
    for index, entry in enumerate(entries):
        kind = entry.get("fieldsType") or ""
        if entry.get("operation") not in ("Apply", "Update"):
            yield "operation must be `Apply` or `Update`"
        if not entry.get("apiVersion"):
            yield "apiVersion must not be empty"
        if not kind:
            yield f"missing fieldsType in managed fields entry {index}"
        elif kind != "FieldsV1":
            yield f'invalid fieldsType "{kind}" in managed fields entry {index}'
