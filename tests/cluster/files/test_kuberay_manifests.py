"""The manifests in `cluster/kuberay` are what KubeRay and Kubernetes take, and do as their comments say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError

from tests.cluster.files.kuberay_fields import RayCluster, RayJob

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[3]
KUBERNETES = "1.32"
SHAPES: dict[str, type[BaseModel]] = {"raycluster": RayCluster, "rayjob": RayJob}


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster" / "kuberay" / f"{name}.yaml").read_text())
    return loaded


def cluster() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("raycluster")["spec"]
    return spec


def groups() -> dict[str, dict[str, Any]]:
    return {group["groupName"]: group for group in cluster()["workerGroupSpecs"]}


def pods() -> dict[str, dict[str, Any]]:
    all_groups = {"head": cluster()["headGroupSpec"], **groups()}
    return {name: group["template"]["spec"] for name, group in all_groups.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_the_operators_fields_are_known_and_of_their_types(name: str) -> None:
    SHAPES[name].model_validate(manifest(name))


@pytest.mark.parametrize("name", SHAPES)
def test_a_misspelt_field_would_be_found(name: str) -> None:
    wrong = manifest(name)
    wrong["spec"]["rayversion"] = "2.60.0"
    with pytest.raises(ValidationError, match="rayversion"):
        SHAPES[name].model_validate(wrong)


def test_both_run_the_same_cluster() -> None:
    assert manifest("rayjob")["spec"]["rayClusterSpec"] == cluster()


@pytest.mark.parametrize("name", ["head", "scorers", "trials"])
def test_the_pods_keep_the_schema_of_kubernetes(name: str) -> None:
    spec = pods()[name]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    assert kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    spec["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_the_claim_keeps_the_schema_and_is_what_the_pods_mount() -> None:
    claim = manifest("storage")
    assert kubernetes_validate.validate(claim, KUBERNETES, strict=True)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods().values():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {
            mount["mountPath"]: volumes[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]
        }
        assert mounts["/mnt/vibesweep"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_gpus_are_whole_for_kubernetes_and_its_requests_are_its_limits() -> None:
    for name, pod in pods().items():
        resources = pod["containers"][0]["resources"]
        # A pod that may take more than it asked for is the first to be evicted; Ray plans with the limits.
        assert resources["requests"] == resources["limits"]
        assert resources["limits"].get("nvidia.com/gpu", 0) == (0 if name == "head" else 1)


def test_only_trials_are_on_spot_nodes_and_scorers_are_always_there() -> None:
    assert {name: "nodeSelector" in pod for name, pod in pods().items()} == {
        "head": False,
        "scorers": False,
        "trials": True,
    }
    assert {name: group["labels"]["ray.io/market-type"] for name, group in groups().items()} == {
        "scorers": "on-demand",
        "trials": "spot",
    }
    assert groups()["scorers"]["minReplicas"] == 1


def test_all_pods_run_one_image_of_the_pinned_ray_as_the_user_of_the_dockerfile() -> None:
    [pinned] = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert cluster()["rayVersion"] == pinned
    assert len({container["image"] for pod in pods().values() for container in pod["containers"]}) == 1
    [user] = re.findall(r"^USER (\d+)$", (ROOT / "cluster" / "Dockerfile").read_text(), re.MULTILINE)
    assert all(pod["securityContext"]["runAsUser"] == int(user) for pod in pods().values())


def test_the_jobs_command_runs_a_sweep_of_the_image_with_the_shared_storage() -> None:
    words = shlex.split(manifest("rayjob")["spec"]["entrypoint"])
    assert words[:5] == ["python", "-m", "vibesweep", "sweep", "run"]
    assert (ROOT / Path(words[5]).relative_to("/opt/vibesweep")).is_file()
    assert words[6:] == ["--storage", "/mnt/vibesweep"]
