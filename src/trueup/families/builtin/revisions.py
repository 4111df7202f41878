"""ControllerRevisions: the templates that a StatefulSet or DaemonSet had. Source: ``pkg/controller/history``."""

import orjson

from trueup.families.builtin.kinds import REVISION
from trueup.families.builtin.tools import change, controlled, create, owner_reference, remove, short_hash
from trueup.family import Tools
from trueup.kube.names import Object, Ref
from trueup.kube.objects import meta
from trueup.kube.problems import AlreadyExists

HASH = "controller-revision-hash"


def data(owner: Object) -> Object:
    """What a revision keeps: the template, as a patch; in the order of its names, for others compare the text."""
    kept = {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
    ordered: Object = orjson.loads(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS))
    return ordered


async def revision_of(tools: Tools, owner: Object) -> Object:
    """The revision of the owner's present template, made when it is new; old ones beyond the limit go."""
    known = sorted(controlled(tools, owner, REVISION), key=lambda one: int(one.get("revision") or 0))
    wanted = data(owner)
    highest = int(known[-1].get("revision") or 0) if known else 0
    same = next((one for one in reversed(known) if one.get("data") == wanted), None)
    if same is not None:
        if int(same.get("revision") or 0) < highest:
            same = await change(tools, same, {"revision": highest + 1}) or same
        return same
    for one in known[: max(0, len(known) - int(owner["spec"].get("revisionHistoryLimit", 10)))]:
        await remove(tools, one)
    suffix = short_hash(wanted)
    revision: Object = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta(owner)['name']}-{suffix}",
            "namespace": meta(owner)["namespace"],
            "labels": {**((owner["spec"]["template"].get("metadata") or {}).get("labels") or {}), HASH: suffix},
            "ownerReferences": [owner_reference(owner)],
        },
        "data": wanted,
        "revision": highest + 1,
    }
    try:
        return await create(tools, revision)
    except AlreadyExists:
        # An orphan of an owner of the same name: it goes, and the next run makes it anew.
        await remove(tools, await tools.client.get(Ref.of(revision)))
        raise
