"""What a Kustomization stands on: its source, its dependencies, its cluster, its variables, its build. The shell.

Called by `kustomization.py` and `finalize.py`. Source: kustomize-controller (``getSource``, ``checkDependencies``, ``build``).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from trueup.delivery.outcome import Desired
from trueup.delivery.request import Request, SourceRequest
from trueup.delivery.tools import DeliveryTools
from trueup.families.flux import rules
from trueup.families.flux import status as words
from trueup.families.flux.artifact import clean
from trueup.families.flux.checkout import Content, IncludeUnavailable, checkout
from trueup.families.flux.compose import CopyProblem
from trueup.families.flux.composition import NotHere, SourceMissing, external
from trueup.families.flux.credentials import SECRET
from trueup.families.flux.decryption import Decryption, encrypted, keys_of
from trueup.families.flux.messages import subject
from trueup.families.flux.renaming import named_by_content, referring
from trueup.families.flux.types import (
    EXTERNAL_ARTIFACT,
    GIT_REPOSITORY,
    KUSTOMIZATION,
    MANAGER,
    GitRepository,
    Kustomization,
)
from trueup.health.kstatus import judge as by_kstatus
from trueup.kube.names import Key, Kind, Object, Ref
from trueup.kube.patterns import BadPattern
from trueup.kube.problems import NotFound
from trueup.kustomize import KustomizeProblem, substitute
from trueup.plan.steps import Judge
from trueup.ports import Artifact, Cluster, GitSpec, RenderProblem, SourceProblem, Target
from trueup.sops import SopsProblem

DEPENDENCY_RETRY = 30.0
"""Flux's ``--requeue-dependency``; whatever is waited for wakes its dependents at once."""
_PLURALS = {GIT_REPOSITORY: "gitrepositories", EXTERNAL_ARTIFACT: "externalartifacts"}
INVALID = "InvalidCELExpression"
TERMINAL = "Reconciliation failed terminally due to configuration error"
_OPENERS = ThreadPoolExecutor(8, "decryption")
"""Threads that may have to wait for programs and servers; nothing else waits for them."""
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount")


class NotYet(Exception):
    """The run ends here: the condition to report, and when to look again (None: when something changes)."""

    def __init__(
        self, reason: str, message: str, after: float | None, *, stalled: bool = False, event: str | None = None
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.after = reason, message, after
        self.stalled = stalled
        self.event = event
        """What is told instead of the message; empty: nothing is told. A told message is no warning."""


class Inputs:
    """Looks things up for one Kustomization."""

    def __init__(self, tools: DeliveryTools, wish: Kustomization) -> None:
        self.tools, self.wish = tools, wish
        self.namespace = wish.key.namespace
        self.opened: set[Ref] = set()
        """Objects that were decrypted: their values are told to nobody."""
        self.closed: dict[Ref, str] = {}
        """Encrypted objects that could not be opened, and why."""

    def source(self) -> Object:
        """The source object with an artifact."""
        ref = self.wish.source
        if ref.kind not in _PLURALS:
            text = f"{ref.kind.kind} sources are not supported yet: use a GitRepository"
            raise NotYet("ArtifactFailed", text, None, event="")
        source = self.tools.cache(ref.kind).get(Key(ref.namespace, ref.name))
        if source is None:
            text = f'{_PLURALS[ref.kind]}.source.toolkit.fluxcd.io "{ref.name}" not found'
            raise NotYet("ArtifactFailed", text, self.wish.retry_interval, event="")
        if not (source.get("status") or {}).get("artifact"):
            raise NotYet("ArtifactFailed", "Source artifact not found, retrying in 30s", DEPENDENCY_RETRY, event="")
        return source

    def check_dependencies(self, revision: str) -> None:
        """Every dependency is ready, and those of the same source at the same revision."""
        told = "Dependencies do not meet ready condition, retrying in 30s"
        for key in self.wish.depends_on:
            dependency = self.tools.cache(KUSTOMIZATION).get(key)
            same = dependency is not None and Kustomization.parse(dependency).source == self.wish.source
            said = self.wish.ready_when.get(key)
            if said and dependency is not None:
                why = self._by_expression(said, dependency)
            else:
                why = rules.ready_dependency(dependency, revision, same)
            if why:
                raise NotYet("DependencyNotReady", f"dependency '{key}' {why}", DEPENDENCY_RETRY, event=told)

    def _by_expression(self, said: str, dependency: Object) -> str:
        from trueup.families.flux import expressions  # only who has expressions pays for reading their language

        try:
            return (
                "" if expressions.ready(said, self.wish.raw, dependency) else "is not ready according to readyExpr eval"
            )
        except expressions.Wrong as wrong:
            raise NotYet(INVALID, f"{TERMINAL}: {wrong}", None, stalled=True) from wrong
        except expressions.CelError as problem:
            return f"cannot be judged: {problem}"

    def judge(self) -> Judge:
        """How health is told: by kstatus, and by the spec's own expressions."""
        checks = self.wish.spec.get("healthCheckExprs")
        if not checks:
            return by_kstatus
        from trueup.families.flux import expressions

        try:
            return expressions.health(checks)
        except expressions.Wrong as wrong:
            raise NotYet(INVALID, f"{TERMINAL}: {wrong}", None, stalled=True) from wrong

    async def artifact(self, source: Object, revision: str) -> Artifact:
        """The source's files, as its status says they were stored."""
        try:
            found = await self._files(source, revision)
        except SourceMissing as missing:
            raise NotYet("ArtifactFailed", str(missing), DEPENDENCY_RETRY, event="") from missing
        except (SourceProblem, IncludeUnavailable, NotHere, CopyProblem) as problem:
            raise NotYet("ArtifactFailed", str(problem), self.wish.retry_interval) from problem
        if self.wish.path and found.tree.kind(self.wish.path) == "none":
            text = f"kustomization path not found: stat {self.wish.path}: no such file or directory"
            raise NotYet("ArtifactFailed", text, self.wish.retry_interval)
        return found

    async def _files(self, source: Object, revision: str) -> Artifact:
        if self.wish.source.kind == EXTERNAL_ARTIFACT:
            return await external(self.tools, source)
        repository = GitRepository.parse(source)
        return await checkout(self.tools, repository, words.commit_of(revision), Content.stored(repository))

    async def cluster(self) -> Cluster:
        """The cluster of ``spec.kubeConfig``, else this one."""
        ref = (self.wish.spec.get("kubeConfig") or {}).get("secretRef")
        if not ref:
            return await self.tools.clusters.of()
        secret = await self.tools.client.get(Ref(SECRET, self.namespace, str(ref["name"])))
        data = secret.get("data") or {}
        chosen = data.get(ref["key"]) if ref.get("key") else data.get("value") or data.get("value.yaml")
        if not chosen:
            what = ref.get("key") or "value' or 'value.yaml"
            text = f"KubeConfig secret '{self.namespace}/{ref['name']}' does not contain a '{what}' key"
            raise NotYet("ReconciliationFailed", text, self.wish.retry_interval)
        return await self.tools.clusters.of(kubeconfig=base64.b64decode(chosen))

    async def build(self, cluster: Cluster, artifact: Artifact) -> Desired:
        """Render the folder, and open what SOPS encrypted in it."""
        wish, variables = self.wish, await self.variables()
        target = Target(await cluster.client.version(), namespace=wish.target_namespace)
        desired = await self._rendered(artifact, target, variables)
        if not wish.spec.get("decryption"):
            return desired
        places = [place for place, obj in enumerate(desired.objects) if encrypted(obj)]
        if not places:
            return desired
        written = (
            desired if variables is None else await self._rendered(artifact, target, None)
        )  # decrypted, then replaced
        objects, decryption = list(desired.objects), await self._decryption()
        closed = [written.objects[place] for place in places]
        opened = await asyncio.get_running_loop().run_in_executor(
            _OPENERS, self._all_opened, closed, decryption, variables
        )
        for place, obj in zip(places, opened, strict=True):
            objects[place] = obj
        return replace(desired, objects=referring(objects, self._names(closed, opened)))

    async def _rendered(self, artifact: Artifact, target: Target, variables: Mapping[str, str] | None) -> Desired:
        wish = self.wish
        asked = SourceRequest(
            spec=GitSpec(artifact.revision),  # the artifact is here already: nothing is asked by it
            path=wish.path or ".",
            tool="kustomize",
            options=rules.render_options(wish, variables, lambda path: _there(artifact, wish.path, path)),
            artifact=artifact,
            schemes=("https", "http"),  # kustomize loads files of the web
        )
        try:
            return await self.tools.delivery.desire([asked], target)
        except RenderProblem as problem:
            text = f"kustomize build failed: {problem}"
            raise NotYet("BuildFailed", text, wish.retry_interval) from problem

    def _all_opened(
        self, closed: Sequence[Object], decryption: Decryption, variables: Mapping[str, str] | None
    ) -> list[Object]:
        with decryption.at_hand(self.tools.keys) as keys:
            return [self._opened(obj, keys, variables) for obj in closed]

    def _opened(self, obj: Object, decryption: Decryption, variables: Mapping[str, str] | None) -> Object:
        """One encrypted object opened and its variables replaced. What cannot be opened is refused alone, by name."""
        try:
            plain = named_by_content(obj, decryption.open(obj))
            found: Object = plain if variables is None else substitute(plain, variables, True)
        except SopsProblem as problem:
            self.closed[Ref.of(obj)] = str(problem)
            return obj
        except KustomizeProblem:
            # Its message may hold what was decrypted.
            text = f"post build failed for {subject(Ref.of(obj))}: its variables cannot be replaced"
            raise NotYet("BuildFailed", text, self.wish.retry_interval) from None
        self.opened.add(Ref.of(found))
        return found

    def _names(self, closed: Sequence[Object], opened: Sequence[Object]) -> dict[str, str]:
        """New names of what was opened, by the old ones."""
        pairs = (
            (str(old["metadata"]["name"]), str(new["metadata"]["name"]))
            for old, new in zip(closed, opened, strict=True)
        )
        return {old: new for old, new in pairs if old != new}

    def _closed(self, ref: Ref) -> str:
        """Why an object could not be opened; the plan names its namespace, the source may not."""
        return self.closed.get(ref) or self.closed.get(Ref(ref.kind, "", ref.name)) or ""

    async def _decryption(self) -> Decryption:
        """The keys of ``spec.decryption.secretRef``."""
        spec = self.wish.spec.get("decryption") or {}
        name, account = (spec.get("secretRef") or {}).get("name"), str(spec.get("serviceAccountName") or "")
        if not name:
            return keys_of(None, account=account)  # clouds may know the process
        ref = Ref(SECRET, self.namespace, str(name))
        secret = await (await self.tools.clusters.of()).live.get(ref)
        return keys_of(secret, ref, account) if secret is not None else Decryption(why=f'secrets "{name}" not found')

    async def variables(self) -> dict[str, str] | None:
        """``postBuild``: inline variables win over those of ConfigMaps and Secrets; None when nothing is substituted."""
        post = self.wish.spec.get("postBuild")
        if not post:
            return None
        found: dict[str, str] = {}
        for entry in post.get("substituteFrom") or ():
            found |= await self._from(entry)
        strategy = str(post.get("substituteStrategy") or "WithVariables")
        values, wrong = rules.variables(post.get("substitute") or {}, found, strategy)
        if wrong:
            text = f"post build failed: envsubst error: {wrong}"
            raise NotYet("BuildFailed", text, self.wish.retry_interval)
        return values

    async def _from(self, entry: Mapping[str, Any]) -> dict[str, str]:
        kind, name = str(entry["kind"]), str(entry["name"])
        local = await self.tools.clusters.of()
        obj = await local.live.get(Ref(Kind("", "v1", kind), self.namespace, name))
        if obj is None:
            if entry.get("optional"):
                return {}
            text = f"post build failed: substitute from '{kind}/{name}' error: {kind} \"{name}\" not found"
            raise NotYet("BuildFailed", text, self.wish.retry_interval)
        data = obj.get("data") or {}
        if kind != "Secret":
            return {key: str(value) for key, value in data.items()}
        return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}

    async def can_impersonate(self) -> bool:
        """Whether whom and where to act as still exist."""
        ref = (self.wish.spec.get("kubeConfig") or {}).get("secretRef")
        needed = [Ref(SECRET, self.namespace, str(ref["name"]))] if ref else []
        if self.wish.account and not ref:
            needed.append(Ref(SERVICE_ACCOUNT, self.namespace, self.wish.account))
        try:
            for one in needed:
                await self.tools.client.get(one)
        except NotFound:
            return False
        return True

    def request(
        self, cluster: Cluster, desired: Desired, revision: str, inventory: Sequence[Ref], *, deleting: bool = False
    ) -> Request:
        """The neutral request for these objects."""
        wish = self.wish
        policy = rules.policy(wish)
        if deleting:
            terminates = wish.deletion_policy == "WaitForTermination"
            policy = replace(policy, prune=True, wait=False, wait_for=frozenset(), wait_prune=terminates)
        try:
            ignore = rules.ignores(wish, desired.objects)
        except BadPattern as problem:
            raise NotYet(INVALID, f"{TERMINAL}: spec.ignore: {problem}", None, stalled=True) from problem
        return Request(
            unit=Ref(KUSTOMIZATION, self.namespace, wish.key.name),
            cluster=cluster,
            manager=MANAGER,
            wanted=tuple(rules.wanted(desired.objects, desired.origins, self.opened)),
            revision=revision,
            actor="automated",
            namespace=wish.default_namespace,
            inventory=tuple(inventory),
            mark=lambda obj: rules.mark(obj, wish),
            read_live=lambda obj: rules.read_live(obj, wish),
            permits=lambda ref, obj: rules.refuses(obj, self._closed(ref)),
            ignore=ignore,
            policy=policy,
            judge=self.judge(),
            identity=f"system:serviceaccount:{self.namespace}:{wish.account}" if wish.account else "",
            deleting=deleting,
        )


def _there(artifact: Artifact, folder: str, path: str) -> bool:
    """Whether a component is in the source; one outside it, or a remote one, is for kustomize to judge."""
    if "://" in path:
        return True
    try:
        return artifact.tree.kind(clean(f"{folder}/{path}")) != "none"
    except PermissionError:
        return True
