"""Each of the doctor's checks, fed with what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.doctor.gpu import Gpus, check_gpus
from cluster.doctor.models import check_cached_models, check_embedded_models, check_hub
from cluster.doctor.ports import check_ports
from cluster.doctor.ray_cluster import Cluster, check_cluster, check_local_ray
from cluster.doctor.software import Software, check_packages, check_pairs, check_python
from cluster.doctor.storage import Storage, check_storage, file_system, look_at_storage
from common.hub import Hub, is_cached
from common.reward_config import CLAP_MODELS
from common.training_config import BASE_MODELS, PROJECT_ROOT
from trainables.checksums import write_checksums

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.doctor.finding import Finding, Status
    from cluster.doctor.ports import PortState

GIB = 2**30


def software(installed: dict[str, str] | None = None) -> Software:
    there = {"numpy": "2.4.6"} | (installed or {})
    return Software("3.11.9", ">=3.11", ("numpy>=2",), there, torchvision_requires=("torch==2.13.0",))


def judged(finding: Finding) -> tuple[Status, str]:
    assert (finding.cure is None) == (finding.status == "ok"), "all but ok have a cure"
    return finding.status, f"{finding.what} | {finding.cure}"


def test_a_python_that_is_too_old_fails() -> None:
    assert judged(check_python(software()._replace(python="3.10.4")))[0] == "fail"
    assert judged(check_python(software()._replace(python="3.11.0"))) == ("ok", "3.11.0 | None")


def test_packages_that_are_missing_or_too_old_are_named_together() -> None:
    assert judged(check_packages(software()))[0] == "ok"
    needs = ("ray[default,tune]>=2.60", "torch>=2.13", "PyYAML>=6")
    found = check_packages(software({"ray": "2.59.1", "pyyaml": "6.0"})._replace(requires=needs))
    status, text = judged(found)
    assert status == "fail"
    assert text.startswith("required and not here: ray>=2.60 (got 2.59.1), torch>=2.13 (got none) | pip")


def test_a_source_that_is_not_installed_fails() -> None:
    found = check_packages(software()._replace(requires=()))
    assert judged(found)[0] == "fail"
    assert "is not installed" in found.what


@pytest.mark.parametrize(
    ("installed", "problem"),
    [
        ({"numpy": "1.26.4", "pyarrow": "26.0.1"}, "pyarrow 26.0.1 does not import with numpy 1.26.4"),
        ({"torch": "2.14.1", "torchvision": "0.28.0"}, "compiled for torch==2.13.0, got 2.14.1"),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, "builds of different indexes"),
    ],
)
def test_known_bad_pairs_fail(installed: dict[str, str], problem: str) -> None:
    status, text = judged(check_pairs(software(installed)))
    assert status == "fail"
    assert problem in text


@pytest.mark.parametrize(
    "installed",
    [
        {},
        {"numpy": "1.26.4", "pyarrow": "25.0.0"},  # the last one that takes NumPy 1
        {"torch": "2.13.0", "torchvision": "0.28.0"},
        {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"},
        {"torchvision": "0.28.0"},
    ],
)
def test_pairs_that_work_pass(installed: dict[str, str]) -> None:
    assert judged(check_pairs(software(installed)))[0] == "ok"


TWO_GPUS = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0a)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-0b)
"""
SLICED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-0a)
  MIG 1g.5gb      Device  0: (UUID: MIG-0a)
  MIG 1g.5gb      Device  1: (UUID: MIG-0b)
  MIG 3g.20gb     Device  2: (UUID: MIG-0c)
"""


@pytest.mark.parametrize(
    ("gpus", "status", "text"),
    [
        (Gpus(None, None), "ok", "none"),
        (
            Gpus("13.0", 13000, TWO_GPUS),
            "ok",
            "2 x NVIDIA H100 80GB HBM3, torch for CUDA 13.0, driver for",
        ),
        # An older driver of the same major version runs it.
        (Gpus("12.9", 12020, TWO_GPUS), "ok", "driver for 12.2"),
        (Gpus("13.0", 12080, TWO_GPUS), "fail", "built for CUDA 13.0, and the driver runs 12.8 at most"),
        (Gpus(None, 13000, TWO_GPUS), "fail", "torch is a build for CPUs"),
        (Gpus("13.0", None, TWO_GPUS), "fail", "libcuda.so.1 is not found"),
        (
            Gpus("13.0", 13000, problem="Driver/library version mismatch"),
            "fail",
            "Driver/library version mismatch",
        ),
        (Gpus("13.0", 13000, TWO_GPUS, visible=""), "warn", "CUDA_VISIBLE_DEVICES hides them"),
        (Gpus("13.0", 13000, SLICED), "warn", "MIG: 2 x 1g.5gb, 1 x 3g.20gb; Ray counts whole GPUs"),
        (Gpus("13.0", 13000, SLICED), "warn", "ray start --num-gpus=3"),
        (Gpus("13.0", 13000, SLICED, visible="MIG-0a,MIG-0b"), "ok", "MIG: 2 x 1g.5gb, 1 x 3g.20gb"),
    ],
)
def test_gpus(gpus: Gpus, status: Status, text: str) -> None:
    found = judged(check_gpus(gpus))
    assert found[0] == status
    assert text in found[1]


@pytest.mark.parametrize(
    ("cluster", "status", "text"),
    [
        (Cluster("http://h:8265", "2.60.0", 3), "ok", "2.60.0 at http://h:8265, 3 nodes"),
        (Cluster("http://h:8265", "2.60.0", 1), "ok", ", 1 node |"),
        (Cluster("http://h:8265", "2.58.0", 3), "fail", "runs ray 2.58.0, and here is 2.60.0"),
        (Cluster("http://h:8265", problem="Unauthorized", needs_token=True), "fail", "RAY_AUTH_MODE=token"),
        (Cluster("http://h:8265", problem="refused"), "fail", "is not reached: refused"),
        (Cluster("http://h:8265", "2.60.0", 3, is_open=True), "warn", "takes jobs without a token"),
        (Cluster("h:6379"), "warn", "--address http://HOST:8265"),
    ],
)
def test_a_cluster_has_to_be_reached_with_the_same_version(
    cluster: Cluster, status: Status, text: str
) -> None:
    found = judged(check_cluster(cluster, "2.60.0"))
    assert found[0] == status
    assert text in found[1]


def test_ray_on_this_machine() -> None:
    assert judged(check_local_ray(None, None, was_started=False))[0] == "fail"
    assert "not started" in check_local_ray("2.60.0", None, was_started=False).what
    assert check_local_ray("2.60.0", None, was_started=True).what == "2.60.0, started"
    assert judged(check_local_ray("2.60.0", "no room", was_started=True))[0] == "fail"


@pytest.mark.parametrize(
    ("dashboard", "head", "status", "text"),
    [
        ("free", "free", "ok", "8265 (dashboard and jobs) and 6379 (head) are free"),
        ("ray", "taken", "ok", "a Ray dashboard answers on 8265"),
        (
            "taken",
            "free",
            "warn",
            "8265 taken by something else than a Ray dashboard | ray start",
        ),
        ("open", "taken", "warn", "to other machines, and without a token"),
        ("taken", "taken", "warn", "--dashboard-port=OTHER --port=OTHER"),
    ],
)
def test_ports(dashboard: PortState, head: PortState, status: Status, text: str) -> None:
    found = judged(check_ports(dashboard, head))
    assert found[0] == status
    assert text in found[1]


@pytest.mark.parametrize(
    ("storage", "nodes", "status", "text"),
    [
        (Storage("/d", "ext4", 50 * GIB), None, "ok", "/d (ext4) can be written, 50 GiB free"),
        (Storage("/d", "ext4", 50 * GIB), 1, "ok", "50 GiB"),
        (Storage("/d", "ext4", 50 * GIB), 2, "fail", "is on this machine, and the cluster has 2 nodes"),
        (Storage("/d", "fuse.mine", 50 * GIB), 2, "warn", "not known to be the same on all 2 nodes"),
        (Storage("/d", "nfs4", 50 * GIB), 2, "ok", "nfs4"),
        (Storage("/d", "nfs4", GIB // 2), 2, "warn", "0.5 GiB left"),
        (Storage("/d", "nfs", 50 * GIB, has_locks=False), 1, "fail", "grants no locks"),
        (Storage("/d", "ext4", problem="Permission denied"), 1, "fail", "Permission denied"),
    ],
)
def test_storage(storage: Storage, nodes: int | None, status: Status, text: str) -> None:
    found = judged(check_storage(storage, nodes))
    assert found[0] == status
    assert text in found[1]


def test_a_folder_that_is_not_there_yet_is_tried_and_not_made(tmp_path: Path) -> None:
    storage = look_at_storage(str(tmp_path / "new" / "runs"))
    assert not storage.problem
    assert storage.has_locks
    assert storage.free_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert look_at_storage(str(tmp_path / "file" / "runs")).problem == "Not a directory"
    assert (
        "without credentials, got some in 's3://bucket/runs'"
        in look_at_storage("s3://me:hush@bucket/runs").problem
    )
    assert look_at_storage(tmp_path.as_uri()).folder == str(tmp_path)


def test_the_file_system_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    mounts = (
        f"/dev/a / ext4 rw 0 0\nsrv:/x {tmp_path}/my\\040runs nfs4 rw 0 0\ntmpfs {tmp_path}/my tmpfs rw 0 0\n"
    )
    assert file_system(tmp_path / "my runs" / "a", mounts) == "nfs4"
    assert file_system(tmp_path / "my" / "a", mounts) == "tmpfs"
    assert file_system(tmp_path / "my ", mounts) == "ext4"
    assert file_system(tmp_path, "") == "unknown"


def test_a_hub_that_is_not_reached_is_a_warning_and_offline_mode_is_none() -> None:
    assert judged(check_hub(Hub("https://hub")))[0] == "ok"
    assert "offline mode" in judged(check_hub(Hub("https://hub", is_offline=True)))[1]
    status, text = judged(check_hub(Hub("https://hub", problem="timed out")))
    assert status == "warn"
    assert "HF_HUB_OFFLINE=1" in text


def test_the_embedded_models_are_whole() -> None:
    folders = {
        name: PROJECT_ROOT / known["tiny"] for name, known in (("policy", BASE_MODELS), ("CLAP", CLAP_MODELS))
    }
    assert judged(check_embedded_models(folders))[0] == "ok"


def test_an_embedded_model_with_a_changed_or_missing_file_fails(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_checksums(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    status, text = judged(check_embedded_models({"policy": tmp_path}))
    assert status == "fail"
    assert "policy: model.safetensors is damaged" in text
    (tmp_path / "model.safetensors").unlink()
    assert "model.safetensors is missing" in judged(check_embedded_models({"policy": tmp_path}))[1]


def test_published_models_are_found_in_the_hubs_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "0a"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").symlink_to(tmp_path / "blob")  # as the cache does, before it is loaded
    assert not is_cached("owner/name", tmp_path)
    (tmp_path / "blob").write_bytes(b"weights")
    assert is_cached("owner/name", tmp_path)

    models = {"short": "owner/name"}
    assert judged(check_cached_models(models, tmp_path, Hub("https://hub")))[0] == "ok"
    models["other"] = "owner/other"
    status, text = judged(check_cached_models(models, tmp_path, Hub("https://hub")))
    assert status == "warn"
    assert "other; the first use downloads them | hf download owner/other" in text
    assert "cannot start here" in judged(check_cached_models(models, tmp_path, Hub("x", is_offline=True)))[1]


def test_every_missing_model_has_its_cure_and_only_a_needed_one_fails(tmp_path: Path) -> None:
    models = {"one": "owner/one", "two": "owner/two"}
    offline, online = Hub("x", is_offline=True), Hub("https://hub")
    status, text = judged(check_cached_models(models, tmp_path, offline))
    assert status == "warn"
    assert (
        "one, two; sweeps with them cannot start here | hf download owner/one && hf download owner/two"
        in text
    )
    assert judged(check_cached_models(models, tmp_path, offline, ["two"]))[0] == "fail"
    assert judged(check_cached_models(models, tmp_path, online, ["two"]))[0] == "warn"
