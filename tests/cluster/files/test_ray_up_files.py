"""`cluster/aws.yaml` and `cluster/gcp.yaml` are what `ray up` takes, and do what their comments promise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.util import accelerators

ROOT = Path(__file__).parents[3]
FILES = ("aws", "gcp")

Content = dict[str, Any]


def content(name: str) -> Content:
    loaded: Content = yaml.safe_load((ROOT / "cluster" / f"{name}.yaml").read_text())
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_ray_up_takes_the_file(name: str) -> None:
    prepared = prepare_config(content(name))
    validate_config(prepared)
    limits = {
        kind: (node["min_workers"], node["max_workers"])
        for kind, node in prepared["available_node_types"].items()
    }
    assert limits == {"head": (0, 0), "scorers": (1, 1), "trials": (0, 8)}
    assert prepared["max_workers"] == 9


@pytest.mark.parametrize("name", FILES)
def test_a_misspelt_key_would_be_refused(name: str) -> None:
    prepared = prepare_config(content(name) | {"max_worker": 9})
    with pytest.raises(jsonschema.ValidationError, match="'max_worker' was unexpected"):
        validate_config(prepared)


@pytest.mark.parametrize("name", FILES)
def test_every_command_is_ours_and_none_rays_default(name: str) -> None:
    # Ray's defaults would install a nightly build, and open the dashboard to the network.
    assert {
        "setup_commands",
        "head_setup_commands",
        "head_start_ray_commands",
        "worker_start_ray_commands",
    } <= set(content(name))
    prepared = prepare_config(content(name))
    assert not re.search(r"3\.0\.0\.dev0|0\.0\.0\.0", str(prepared))
    assert "--dashboard-host=127.0.0.1" in prepared["head_start_ray_commands"][-1]


@pytest.mark.parametrize("name", FILES)
def test_only_trials_are_on_spot_nodes(name: str) -> None:
    nodes = content(name)["available_node_types"]
    is_spot = {kind: "spot" in str(node["node_config"]).lower() for kind, node in nodes.items()}
    assert is_spot == {"head": False, "scorers": False, "trials": True}
    said = {kind: node["labels"]["ray.io/market-type"] == "spot" for kind, node in nodes.items()}
    assert said == is_spot


@pytest.mark.parametrize("name", FILES)
def test_nodes_run_the_ray_of_the_constraints(name: str) -> None:
    [pinned] = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert content(name)["docker"]["image"] == f"rayproject/ray:{pinned}-py311-gpu"


@pytest.mark.parametrize("name", FILES)
def test_the_token_comes_as_a_file_and_the_sweeps_folder_into_the_container(name: str) -> None:
    file = content(name)
    assert file["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    assert "--env RAY_AUTH_MODE=token" in file["docker"]["run_options"]
    assert "--volume /mnt/vibesweep:/mnt/vibesweep" in file["docker"]["run_options"]
    assert any("mount -t nfs" in command for command in file["initialization_commands"])
    assert not re.search(r"[0-9a-f]{64}", str(file)), "a token stands in the file"


def test_google_nodes_have_an_accelerator_that_ray_knows() -> None:
    for kind in ("scorers", "trials"):
        resources = content("gcp")["available_node_types"][kind]["resources"]
        [named] = [
            key.removeprefix("accelerator_type:") for key in resources if key.startswith("accelerator_type:")
        ]
        assert named == accelerators.NVIDIA_L4
