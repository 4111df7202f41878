"""The decisions by themselves: how ReplicaSets are sized, what a Job does next, when a CronJob is due."""

from typing import Any

from trueup.families.builtin import cronjobs, job_policies, job_tracking, jobs, pods, rollout
from trueup.families.builtin.simulate import node as nodes
from trueup.families.builtin.simulate.steering import course
from trueup.kube.names import Object

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def _deployment(replicas: int, surge: object, unavailable: object) -> Object:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "strategy": strategy}}


def _replica_set(name: str, replicas: int, available: int) -> Object:
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas, "availableReplicas": available},
    }


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    """25 % of 10: three more, two fewer; both zero becomes one unavailable."""
    assert rollout.bounds(_deployment(10, "25%", "25%")) == (3, 2)
    assert rollout.bounds(_deployment(1, 0, 0)) == (0, 1)


def test_a_rolling_update_grows_first() -> None:
    """Up to the surge; then old ones go as far as new ones are available."""
    deployment = _deployment(4, 1, 0)
    old = [_replica_set("old", 4, 4)]
    assert rollout.rolling(deployment, _replica_set("new", 0, 0), old) == {"new": 1}
    assert rollout.rolling(deployment, _replica_set("new", 1, 0), old) == {}
    assert rollout.rolling(deployment, _replica_set("new", 1, 1), old) == {"old": 3}


def test_old_pods_that_never_came_up_go_first() -> None:
    """A broken old ReplicaSet is emptied before a healthy one is touched."""
    old = [_replica_set("healthy", 3, 3), _replica_set("broken", 1, 0)]
    assert rollout.rolling(_deployment(3, 1, 0), _replica_set("new", 0, 0), old) == {"broken": 0}


def test_recreate_waits_for_the_last_old_pod() -> None:
    """Down, wait, up."""
    deployment = _deployment(2, 0, 0)
    new, old = _replica_set("new", 0, 0), _replica_set("old", 2, 2)
    assert rollout.recreate(deployment, new, [old], 2) == {"old": 0}
    gone = _replica_set("old", 0, 0)
    assert rollout.recreate(deployment, new, [gone], 1) == {}
    assert rollout.recreate(deployment, new, [gone], 0) == {"new": 2}


def _sized(name: str, replicas: int, before: int, surge: int = 3) -> Object:
    """A ReplicaSet that was told how large its Deployment was."""
    made = _replica_set(name, replicas, replicas)
    notes = {rollout.DESIRED: str(before), rollout.MOST: str(before + surge)}
    return {**made, "metadata": {**made["metadata"], "annotations": notes}}


def test_a_deployment_that_is_scaled_amid_a_rollout_grows_in_proportion() -> None:
    """From 10 (and 3 more) to 15: the example of Kubernetes' documentation, "Proportional scaling"."""
    new, old = _sized("new", 5, 10), _sized("old", 8, 10)
    deployment = _deployment(15, 3, 2)
    assert rollout.was_scaled(deployment, [old, new])
    assert rollout.scaled(deployment, new, [old]) == {"old": 11, "new": 7}
    assert not rollout.was_scaled(_deployment(10, 3, 2), [old, new])


def test_a_deployment_that_shrinks_amid_a_rollout_shrinks_in_proportion() -> None:
    """And to nothing, when it is to have none."""
    new, old = _sized("new", 5, 10), _sized("old", 8, 10)
    assert rollout.scaled(_deployment(4, 3, 2), new, [old]) == {"old": 4, "new": 3}
    assert rollout.scaled(_deployment(0, 3, 2), new, [old]) == {"old": 0, "new": 0}


def test_a_lone_replica_set_takes_the_whole_size() -> None:
    """Also while the Deployment is paused; of none that is active, the newest."""
    assert rollout.scaled(_deployment(7, 3, 2), _sized("new", 5, 5), [_sized("old", 0, 5)]) == {"new": 7}
    assert rollout.scaled(_deployment(7, 3, 2), None, [_sized("a", 0, 5), _sized("b", 0, 5)]) == {"b": 7}


def _running(name: str, **status: Any) -> Object:
    about = {"name": name, "uid": name, "creationTimestamp": "2023-11-14T20:00:00Z", **status.pop("metadata", {})}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": status.pop("ready", "2023-11-14T20:00:05Z")}
    return {
        "metadata": about,
        "spec": {"nodeName": status.pop("on", "n")},
        "status": {"phase": "Running", "conditions": [ready], **status},
    }


def test_which_pods_go_first() -> None:
    """Cheap ones, those that are many on a node, the lately ready, the often restarted; a pending one before all."""
    cost = {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}
    found = [
        _running("old"),
        _running("restarted", containerStatuses=[{"restartCount": 3}]),
        _running("lately", ready="2023-11-14T22:13:10Z"),
        _running("crowded", on="full"),
        _running("cheap", metadata=cost),
        {"metadata": {"name": "pending"}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending"}},
    ]
    ordered = pods.deletion_order(found, NOW, {"n": 1, "full": 2})
    expected = ["pending", "cheap", "crowded", "lately", "restarted", "old"]
    assert expected == [pod["metadata"]["name"] for pod in ordered]


def _job(status: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": "j", "namespace": "default", "uid": "j"},
        "spec": {"parallelism": 1, "backoffLimit": 6, "template": {"spec": {}}, **spec},
        "status": status or {},
    }


def _pod(name: str, phase: str, index: int | None = None) -> Object:
    marks = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    about = {"name": name, "uid": name, "annotations": marks, "finalizers": [job_tracking.FINALIZER]}
    return {"metadata": about, "spec": {}, "status": {"phase": phase}}


def test_an_indexed_job_makes_the_indexes_that_are_missing() -> None:
    """Done and running ones are left out."""
    job = _job(completionMode="Indexed", completions=4, parallelism=3)
    found = jobs.decide(job, [_pod("a", "Succeeded", 0), _pod("b", "Running", 2)], NOW)
    assert found.create == [1, 3]
    assert found.status["completedIndexes"] == "0"
    assert job_policies.spans([0, 1, 2, 4]) == "0-2,4"


def test_a_suspended_job_lets_its_pods_go() -> None:
    """And says so."""
    found = jobs.decide(_job(suspend=True, completions=1), [_pod("a", "Running")], NOW)
    assert [pod["metadata"]["name"] for pod in found.delete] == ["a"]
    assert found.status["conditions"][0]["reason"] == "JobSuspended"
    assert "startTime" not in found.status


def test_a_job_fails_at_its_deadline() -> None:
    """DeadlineExceeded: its pods go, and it is over with the last one; until then it looks again in time."""
    started = {"startTime": "2023-11-14T22:13:10Z"}
    late = jobs.decide(_job(started, completions=1, activeDeadlineSeconds=10), [_pod("a", "Running")], NOW)
    assert [one["type"] for one in late.status["conditions"]] == ["FailureTarget"]
    assert len(late.delete) == 1
    over = jobs.decide(_job(late.status, completions=1, activeDeadlineSeconds=10), [], NOW)
    assert [(one["type"], one["reason"]) for one in over.status["conditions"]] == [
        ("FailureTarget", "DeadlineExceeded"),
        ("Failed", "DeadlineExceeded"),
    ]
    early = jobs.decide(_job(started, completions=1, activeDeadlineSeconds=15), [_pod("a", "Running")], NOW)
    assert early.after == 5.0


def _failed(name: str, code: int, index: int | None = None) -> Object:
    pod = _pod(name, "Failed", index)
    pod["metadata"]["namespace"] = "default"
    pod["status"]["containerStatuses"] = [{"name": "main", "state": {"terminated": {"exitCode": code}}}]
    return pod


def _rule(action: str, code: int) -> Object:
    return {"action": action, "onExitCodes": {"operator": "In", "values": [code]}}


def test_an_exit_code_can_fail_a_job() -> None:
    """At once, whatever attempts are left, and the rule is named."""
    policy = {"rules": [_rule("Ignore", 1), _rule("FailJob", 42)]}
    found = jobs.decide(_job(completions=1, podFailurePolicy=policy), [_failed("a", 42)], NOW)
    said = found.status["conditions"][-1]
    assert (said["type"], said["reason"]) == ("FailureTarget", "PodFailurePolicy")
    assert (
        said["message"] == "Container main for pod default/a failed with exit code 42 matching FailJob rule at index 1"
    )


def test_a_failure_can_be_ignored() -> None:
    """It counts nowhere, and another pod is made at once."""
    policy = {"rules": [_rule("Ignore", 1)]}
    found = jobs.decide(_job(completions=1, backoffLimit=0, podFailurePolicy=policy), [_failed("a", 1)], NOW)
    assert found.create == [-1]
    assert "failed" not in found.status


def test_an_index_has_attempts_of_its_own() -> None:
    """One that fails too often is given up; the Job fails when the others are done."""
    job = _job(completionMode="Indexed", completions=2, parallelism=2, backoffLimit=99, backoffLimitPerIndex=0)
    first = jobs.decide(job, [_failed("a", 1, 0), _pod("b", "Running", 1)], NOW)
    assert (first.create, first.status["failedIndexes"]) == ([], "0")
    last = jobs.decide(job, [_failed("a", 1, 0), _pod("b", "Succeeded", 1)], NOW)
    assert last.status["conditions"][-1]["reason"] == "FailedIndexes"
    few = jobs.decide({**job, "spec": {**job["spec"], "maxFailedIndexes": 0}}, [_failed("a", 1, 0)], NOW)
    assert few.status["conditions"][-1]["reason"] == "MaxFailedIndexesExceeded"


def test_a_rule_can_give_up_an_index() -> None:
    """Though attempts are left."""
    policy = {"rules": [_rule("FailIndex", 7)]}
    more = {
        "completions": 2,
        "parallelism": 1,
        "backoffLimit": 99,
        "backoffLimitPerIndex": 5,
        "podFailurePolicy": policy,
    }
    found = jobs.decide(_job(completionMode="Indexed", **more), [_failed("a", 7, 0)], NOW)
    assert (found.create, found.status["failedIndexes"]) == ([1], "0")


def test_enough_indexes_make_a_job_complete() -> None:
    """The others are stopped first."""
    rules = {"rules": [{"succeededIndexes": "0,2"}]}
    job = _job(completionMode="Indexed", completions=3, parallelism=3, successPolicy=rules)
    pods = [_pod("a", "Succeeded", 0), _pod("b", "Running", 1), _pod("c", "Succeeded", 2)]
    found = jobs.decide(job, pods, NOW)
    assert [(one["type"], one["reason"]) for one in found.status["conditions"]] == [
        ("SuccessCriteriaMet", "SuccessPolicy")
    ]
    assert [pod["metadata"]["name"] for pod in found.delete] == ["b"]
    over = jobs.decide({**job, "status": found.status}, [pods[0], pods[2]], NOW)
    assert over.status["conditions"][-1]["type"] == "Complete"


def test_a_finished_job_goes_after_its_time() -> None:
    """ttlSecondsAfterFinished counts from the condition."""
    ended = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2023-11-14T22:13:10Z"}]}
    assert jobs.decide(_job(ended, ttlSecondsAfterFinished=10), [], NOW).gone
    assert jobs.decide(_job(ended, ttlSecondsAfterFinished=12), [], NOW).after == 2.0
    assert not jobs.decide(_job(ended), [], NOW).gone


def test_a_cron_job_runs_the_latest_missed_time_only() -> None:
    """Missed ones before it are passed over; its zone is heeded."""
    about = {"name": "c", "creationTimestamp": "2023-11-14T19:30:00Z"}
    hourly = {"metadata": about, "spec": {"schedule": "0 * * * *"}}
    assert cronjobs.due(hourly, NOW) == (NOW - 800, NOW + 2800)
    paris = {"metadata": about, "spec": {"schedule": "0 23 * * *", "timeZone": "Europe/Paris"}}
    assert cronjobs.due(paris, NOW)[0] == NOW - 800
    strict = {"metadata": about, "spec": {"schedule": "0 * * * *", "startingDeadlineSeconds": 60}}
    assert cronjobs.due(strict, NOW)[0] is None


def test_a_tainted_or_cordoned_node_takes_no_pods() -> None:
    """But those that tolerate the taint."""
    node = nodes.node()
    tainted = {**node, "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}}
    assert nodes.misfit({"spec": {}}, node) == ""
    assert nodes.misfit({"spec": {}}, tainted) == "node(s) had untolerated taint(s)"
    assert nodes.misfit({"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}, tainted) == ""
    assert "unschedulable" in nodes.misfit({"spec": {}}, {**node, "spec": {"unschedulable": True}})


def test_an_image_that_says_it_is_not_there_cannot_be_pulled() -> None:
    """By its tag alone."""

    def one(image: str) -> Object:
        return {"metadata": {}, "spec": {"containers": [{"name": "main", "image": image}]}}

    assert course(one("registry.example.com:5000/web:nonexistent")).image_pull_error
    assert course(one("webserver:404")).image_pull_error
    assert not course(one("registry.example.com:404/web")).image_pull_error
    assert not course(one("web:1")).image_pull_error


def test_an_unreadable_annotation_is_told_and_left_out() -> None:
    """The defaults hold then."""
    found = course({"metadata": {"annotations": {"simulate.trueup.dev/ready-after": "soon"}}})
    assert found.ready_after == 0.3
    assert '"soon" is no duration' in found.problem
