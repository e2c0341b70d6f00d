"""What does not fit is refused before the first trial, in a line that says what is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cluster import autoscaler, capacity
from cluster.autoscaler import Growth
from cluster.capacity import Demand, Places, check_room
from cluster.nodes import HEAD, MARKET_TYPE, Node
from common.errors import ClusterError, UserError
from common.training_config import InfraConfig
from search_spaces.resources import Resources

HEAD_NODE = Node({"CPU": 1.0, HEAD: 1.0, "memory": 8 * 2**30})
SMALL = Node({"CPU": 2.0, "memory": 8 * 2**30})
BIG = Node({"CPU": 8.0, "GPU": 1.0, "accelerator_type:L4": 1.0, "memory": 64 * 2**30})
THREE = (HEAD_NODE, SMALL, SMALL)


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[Growth | None]:
    """A cluster of three small nodes; the last entry is what its autoscaler tells."""
    told: list[Growth | None] = [None]
    monkeypatch.setattr(capacity, "living_nodes", lambda: THREE)
    monkeypatch.setattr(capacity, "growth", lambda _: told[-1])
    return told


def check(scorers: dict[str, Any], trial: dict[str, Any] | None, *, is_local: bool = False) -> None:
    demand = Demand(
        Resources.model_validate(scorers), None if trial is None else InfraConfig.model_validate(trial)
    )
    check_room(demand, is_local=is_local, cure="ask less", say=lambda _: None)


@pytest.mark.parametrize(
    ("scorers", "trial", "said"),
    [
        # 5 CPUs in all, but 2 on a node.
        ({}, {"cpus_per_trial": 3}, "a trial must fit on one node with 3 CPUs, got 2 CPUs on the nearest"),
        (
            {},
            {"gpus_per_trial": 0.5, "gpu_type": "L4"},
            "a trial must fit on one node with 1 CPU, 0.5 GPUs, accelerator L4, got 1 CPU, 0 GPUs, no acc",
        ),
        (
            {},
            {"memory_gb_per_trial": 9},
            "a trial must fit on one node with 1 CPU, 9 GiB of memory, got 1 CPU, 8 GiB of memory on",
        ),
        (
            {},
            {"num_workers": 2, "cpus_per_trial": 6},
            "each of a trial's 2 workers must fit on one node with 3 CPUs, got 2 CPUs",
        ),
        ({"gpus_per_scorer": 0.25}, {}, "a scorer must fit on one node with 1 CPU, 0.25 GPUs, got 1 CPU, 0"),
        (
            {"scorers": 4},
            {"cpus_per_trial": 2},
            "4 scorers and one trial must fit at once with 6 CPUs, got 5 CPUs on 3 nodes (1 CPU; 2 CPUs; 2",
        ),
        ({"scorers": 6}, None, "6 scorers must fit at once with 6 CPUs, got 5 CPUs on 3 nodes"),
    ],
)  # fmt: skip
def test_a_cluster_without_an_autoscaler_is_what_it_is(
    scorers: dict[str, Any], trial: dict[str, Any] | None, said: str, grown: list[Growth | None]
) -> None:
    with pytest.raises(ClusterError, match=re.escape(said) + ".*; ask less, or add nodes$"):
        check(scorers, trial)
    with pytest.raises(UserError, match=re.escape(said) + ".*; ask less$"):
        check(scorers, trial, is_local=True)


@pytest.mark.parametrize(
    ("scorers", "trial"),
    [
        ({"scorers": 3}, {"cpus_per_trial": 2}),
        # A worker on each of the two, the scorer on the head.
        ({"scorers": 1}, {"num_workers": 2, "cpus_per_trial": 4}),
        ({"scorers": 5}, None),
        ({"scorers": 100, "cpus_per_scorer": 0}, {"cpus_per_trial": 2}),
    ],
)  # fmt: skip
def test_what_fits_is_let_through(
    scorers: dict[str, Any], trial: dict[str, Any] | None, grown: list[Growth | None]
) -> None:
    check(scorers, trial)


def test_an_autoscaler_counts_with_all_that_it_may_start(grown: list[Growth | None]) -> None:
    grown.append(Growth((HEAD_NODE, BIG, BIG)))
    check({"scorers": 4, "gpus_per_scorer": 0.25}, {"gpus_per_trial": 1})
    with pytest.raises(
        ClusterError, match=r"got 17 CPUs, 2 GPUs on 3 nodes .* may start; .* raise its limits"
    ):
        check({"scorers": 5, "gpus_per_scorer": 0.25}, {"gpus_per_trial": 1})


class NeverReady:
    """A placement group that waits for ever."""

    def wait(self, seconds: float) -> bool:
        return False


@pytest.mark.parametrize(
    ("infeasible", "said"),
    [
        (True, "got 2 CPUs on the nearest of 3, and the autoscaler has no type of node for it; ask less"),
        (False, "and the autoscaler added nothing that helps within 0 s; ask less, or run the same command"),
    ],
)
def test_an_autoscaler_of_unknown_limits_is_waited_for_aloud_and_not_for_ever(
    infeasible: bool, said: str, grown: list[Growth | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    grown.append(Growth(None))
    asked: list[Any] = []
    removed: list[Any] = []
    heard: list[str] = []
    group = NeverReady()

    def ask(bundles: list[dict[str, float]]) -> NeverReady:
        asked.append(bundles)
        return group

    monkeypatch.setattr(capacity, "placement_group", ask)
    monkeypatch.setattr(capacity, "remove_placement_group", removed.append)
    monkeypatch.setattr(capacity, "says_never", lambda: infeasible)
    demand = Demand(Resources(scorers=2), InfraConfig(cpus_per_trial=4))
    with pytest.raises(ClusterError, match=re.escape(said)):
        check_room(demand, is_local=False, cure="ask less", say=heard.append, patience_s=0)
    assert asked == [[{"CPU": 1.0}, {"CPU": 1.0}, {"CPU": 4.0}]]
    assert removed == [group]
    assert heard == [
        "waiting at most 0 s for the autoscaler, which does not tell its limits: a trial must fit on one "
        "node with 4 CPUs, got 2 CPUs on the nearest of 3"
    ]


def test_trials_leave_the_scorers_their_places(grown: list[Growth | None]) -> None:
    def places(scorers: dict[str, Any], limit: int | None = None) -> int | None:
        return Places(Demand(Resources.model_validate(scorers), InfraConfig()), limit)()

    assert places({"scorers": 2}) == 3  # 5 CPUs
    assert places({"scorers": 2, "max_scorers": 4}) == 1  # those that come under load have theirs
    assert places({"scorers": 2, "max_scorers": 9}) == 1
    assert places({"scorers": 2}, limit=2) == 2
    assert places({"scorers": 2}, limit=9) == 3
    grown.append(Growth((HEAD_NODE, BIG)))
    assert places({"scorers": 2}) == 7
    grown.append(Growth(None))
    assert places({"scorers": 2}) is None
    assert places({"scorers": 2}, limit=9) == 9


def test_what_ray_up_left_on_the_head_tells_the_limits(tmp_path: Any) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "max_workers: 3\nhead_node_type: head\navailable_node_types:\n"
        "  head: {resources: {CPU: 0}}\n"
        "  scorers: {resources: {CPU: 16, GPU: 1}, max_workers: 1, labels: {ray.io/market-type: on-demand}}\n"
        "  trials: {resources: {CPU: 8, GPU: 1}, max_workers: 8, labels: {ray.io/market-type: spot}}\n"
    )
    found = autoscaler._from_file(file, [HEAD_NODE])
    assert found is not None
    assert [node.resources.get("GPU", 0) for node in found] == [0, 1, 1, 1, 1]
    assert [node.labels.get(MARKET_TYPE) for node in found] == [None, "on-demand", "spot", "spot", "spot"]
    assert autoscaler._from_file(tmp_path / "none.yaml", [HEAD_NODE]) is None


def test_outer_processes_keep_off_spot_nodes() -> None:
    from cluster.train_workers import outer_place  # noqa: PLC0415 - imports Ray Train

    spot = {MARKET_TYPE: "spot"}
    on_head = [{HEAD: 0.001}]
    assert outer_place((HEAD_NODE, SMALL._replace(labels=spot))).bundles == on_head
    assert outer_place((HEAD_NODE._replace(labels=spot),)).bundles == on_head  # there is nothing better
    elsewhere = outer_place((HEAD_NODE._replace(labels=spot), SMALL))
    assert elsewhere.bundles == [{"memory": 2**28}]
    assert elsewhere._bound.kwargs["bundle_label_selector"] == [{MARKET_TYPE: "!spot"}]
