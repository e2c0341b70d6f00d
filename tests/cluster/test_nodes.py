"""How many bundles nodes hold, counted by hand."""

from __future__ import annotations

import pytest

from cluster.nodes import Node, Room, trials_beside

CPU_NODE = Node({"CPU": 4.0})
GPU_NODE = Node({"CPU": 8.0, "GPU": 2.0, "memory": 32.0, "accelerator_type:L4": 1.0})


@pytest.mark.parametrize(
    ("bundle", "count"),
    [
        ({"CPU": 3}, 2),  # 6 of 8
        ({"CPU": 0.8}, 10),  # 8 / 0.8, which is 9.999… in floating point
        ({"GPU": 0.6}, 2),  # one on each GPU: 1.8 of 2 would be three, but 0.8 left are on two GPUs
        ({"GPU": 0.1}, 20),
        ({"GPU": 2}, 1),
        ({"GPU": 3}, 0),
        ({"CPU": 1, "memory": 9}, 3),  # 27 of 32
        ({"CPU": 1, "accelerator_type:L4": 0.001}, 8),
        ({"CPU": 1, "accelerator_type:H100": 0.001}, 0),
    ],
)
def test_a_node_holds_what_ray_would_put_on_it(bundle: dict[str, float], count: int) -> None:
    assert Room(GPU_NODE).holds(bundle) == count


def test_whole_gpus_are_those_that_nobody_shares() -> None:
    room = Room(GPU_NODE)
    room.take({"GPU": 0.25})
    assert room.holds({"GPU": 1}) == 1
    room.take({"GPU": 0.25})  # on the one that is shared already
    assert room.holds({"GPU": 1}) == 1
    room.take({"GPU": 1})
    assert room.holds({"GPU": 0.5}) == 1


def test_a_trial_does_not_lie_on_two_nodes() -> None:
    # Three nodes of 4 CPUs have 12, and still no place for 5.
    assert trials_beside([CPU_NODE] * 3, 0, {}, [{"CPU": 5}]) == 0
    assert trials_beside([CPU_NODE] * 3, 0, {}, [{"CPU": 3}]) == 3


def test_the_workers_of_a_trial_may() -> None:
    assert trials_beside([CPU_NODE] * 3, 0, {}, [{"CPU": 3}] * 2) == 1  # three places, two a trial


def test_scorers_go_where_they_cost_the_fewest_trials() -> None:
    trial = [{"CPU": 1, "GPU": 1}]
    # The four scorers fill the node without GPUs; on the other each would still have left a trial its GPU.
    assert trials_beside([GPU_NODE, CPU_NODE], 4, {"CPU": 1}, trial) == 2
    # Twelve take every CPU there is.
    assert trials_beside([GPU_NODE, CPU_NODE], 12, {"CPU": 1}, trial) == 0
    # Seven on the GPU node at most leave one CPU there: one trial.
    assert trials_beside([GPU_NODE, CPU_NODE], 11, {"CPU": 1}, trial) == 1


def test_a_scorer_without_a_place_leaves_none_for_trials() -> None:
    assert trials_beside([CPU_NODE], 1, {"GPU": 0.25}, [{"CPU": 1}]) == 0


def test_four_quarters_of_a_gpu_leave_the_other_gpu_to_trials() -> None:
    assert trials_beside([GPU_NODE], 4, {"GPU": 0.25, "CPU": 1}, [{"CPU": 1, "GPU": 0.5}]) == 2
