"""Greedy decoding beside the evaluation: written apart, counted nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from pyarrow.fs import LocalFileSystem
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations
from analysis.ledger_parts import read_part, read_rows
from trainables.chat import PromptFormat
from trainables.policy import load_policy
from trainables.sampling import sample_completions
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec


def test_greedy_decoding_takes_the_likeliest_token_each_time(small_policy: str) -> None:
    policy = load_policy(small_policy)
    prompt = PromptFormat.of(policy.tokenizer, "Compose.").token_ids("calm harbour at night")
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(6):
            ids.append(int(policy.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    expected = policy.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    [found] = sample_completions(
        policy, [prompt], None, temperature=0.8, max_completion_length=6, batch_size=1
    )
    assert (found.text, found.num_tokens) == (expected, 6)


def ranked_rows(spec: TrialSpec) -> pa.Table:
    """What a ranking reads of a trial's ledger."""
    files = LocalFileSystem()
    parts = [read_part(files, str(path)) for path in Path(spec.directory).glob("ledger/*.parquet")]
    return read_rows([part for part in parts if part], EVALUATION_COLUMNS, "held_out")


def test_greedy_rows_are_apart_and_change_neither_trial_nor_ranking(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    plain = make_spec("plain", max_steps=2, logging__eval_steps=1)
    greedy = make_spec("greedy", max_steps=2, logging__eval_steps=1)
    greedy = replace(greedy, objective=greedy.objective.model_copy(update={"greedy": True}))
    results = [run_trial(spec, stub_scorer, stub_scorer, lambda progress: None) for spec in (plain, greedy)]
    assert results[0].objective == results[1].objective

    rows = read_ledger(greedy.directory)
    apart = {key: row for key, row in rows.items() if key.split == "held_out_greedy"}
    # 3 vibes, one sample, at steps 0, 1 and 2
    assert sorted((key.step, key.sample) for key in apart) == sorted([(0, 0), (1, 0), (2, 0)] * 3)
    assert {row["decoding_seed"] for row in apart.values()} == {-1}
    assert {key: row for key, row in rows.items() if key not in apart} == read_ledger(plain.directory)

    one, other = (held_out_evaluations(ranked_rows(spec)) for spec in (plain, greedy))
    assert one.schema.shape == other.schema.shape == (3, 3, 2)
    assert (one.schema == other.schema).all()

    events = EventAccumulator(greedy.tensorboard)
    events.Reload()
    last = [row for key, row in apart.items() if key.step == 2]
    expected = sum(0.3 * row["schema"] - 0.5 for row in last) / 3
    curve = {event.step: event.value for event in events.Scalars("held_out/greedy_objective")}
    assert sorted(curve) == [0, 1, 2]
    assert curve[2] == pytest.approx(expected, abs=1e-6)
