"""ValidatingWebhookConfiguration: webhooks that refuse writes, all asked at one time.

Source: apiserver ``admission/plugin/webhook/validating/dispatcher.go``.
"""

from __future__ import annotations

import asyncio

from trueup.apiserver.hub import Hub
from trueup.apiserver.policies.asked import Asked
from trueup.apiserver.registry import Served
from trueup.apiserver.request import Write
from trueup.apiserver.webhooks import reviews
from trueup.apiserver.webhooks.asking import Failed, ask, passed_over
from trueup.apiserver.webhooks.caller import Caller
from trueup.apiserver.webhooks.hooks import EXEMPT, Hook, Hooks
from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem

_OPEN = "failed-open.validating.webhook.admission.k8s.io/"


class ValidatingWebhooks:
    """The admission plugin."""

    def __init__(self, hub: Hub, caller: Caller) -> None:
        self._caller, self._counts = caller, hub.counts
        self._hooks = Hooks(hub, "validatingwebhookconfigurations")

    @property
    def there(self) -> bool:
        """Whether any webhook is configured."""
        return bool(self._hooks.all())

    async def admit(self, served: Served, operation: str, obj: Object, old: Object | None, write: Write) -> None:
        """Raises what the first webhook that refuses wants raised."""
        hooks = self._hooks.all()
        if not hooks or served.storage in EXEMPT or not write.reviewed:
            return
        asked = Asked(served, operation, None if operation == "DELETE" else obj, old, write)
        found: list[tuple[Hook, Served, Asked]] = []
        for hook in hooks:
            matched = await self._hooks.matched(hook, asked)
            if matched is not None:
                found.append((hook, *matched))
        problems: list[ApiProblem] = []
        if len(found) == 1:
            await self._one(0, *found[0], problems)
        elif found:
            async with asyncio.TaskGroup() as group:
                for index, each in enumerate(found):
                    group.create_task(self._one(index, *each, problems), name=f"webhook {each[0].name}")
        if problems:
            raise problems[0]

    async def _one(self, index: int, hook: Hook, served: Served, asked: Asked, problems: list[ApiProblem]) -> None:
        try:
            await ask(self._caller, hook, asked, served, self._counts, mutating=False)
        except Failed as why:
            if not hook.ignorable:
                problems.append(reviews.failure(hook.name, str(why)))
                return
            passed_over(hook, why)
            asked.write.annotations.setdefault(f"{_OPEN}round_0_index_{index}", hook.name)
        except ApiProblem as refusal:
            problems.append(refusal)
