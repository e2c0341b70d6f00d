"""Decoding under the contract's grammar, with the real library."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from rewards.schema import schema_score
from rewards.text import first_json_object
from trainables import constrained
from trainables.chat import PromptFormat
from trainables.constrained import ContractGrammar
from trainables.policy import load_policy
from trainables.sampling import Sampled, sample_completions
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec

needs_llguidance = pytest.mark.skipif(
    not find_spec("llguidance"),
    reason="needs the extra constrained: pip install 'vibesweep[constrained]'",
)


@needs_llguidance
def test_a_policy_that_breaks_the_contract_keeps_it_under_the_grammar() -> None:
    policy = load_policy("tiny")
    form = PromptFormat.of(policy.tokenizer, "")
    prompts = [form.token_ids(vibe) for vibe in ("calm harbour at night", "neon forest", "dusty cathedral")]

    def at_a_high_temperature(grammar: ContractGrammar | None) -> list[Sampled]:
        return sample_completions(
            policy,
            prompts,
            [1, 2, 3],
            temperature=1.6,
            max_completion_length=400,
            batch_size=3,
            grammar=grammar,
        )

    free = [first_json_object(one.text)[0] for one in at_a_high_temperature(None)]
    assert all(schema_score(payload) < 1 for payload in free)
    for one in at_a_high_temperature(ContractGrammar(policy)):
        payload, is_whole = first_json_object(one.text)
        assert is_whole
        # Registers may be out of order, and colours the same: no schema says that.
        assert schema_score(payload) > 0.95
        # In tokens that hold whole fields, as the policy learned to write: spelled out it would take 600.
        assert one.num_tokens < 250


@needs_llguidance
def test_constrained_rows_are_apart(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    plain = make_spec("plain", max_steps=1)
    spec = make_spec("constrained", max_steps=1)
    spec = replace(spec, objective=spec.objective.model_copy(update={"constrained": True}))
    results = [run_trial(one, stub_scorer, stub_scorer, lambda progress: None) for one in (plain, spec)]
    assert results[0].objective == results[1].objective
    rows = read_ledger(spec.directory)
    apart = {key: row for key, row in rows.items() if key.split == "held_out_constrained"}
    assert len(apart) == 2 * 3 * 2
    # A random policy does not get far with 12 tokens, but it goes where it may.
    assert all(row["completion"].startswith('{"th') for row in apart.values())
    assert {key: row for key, row in rows.items() if key not in apart} == read_ledger(plain.directory)


def test_a_missing_library_is_named_with_its_extra(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constrained, "find_spec", lambda name: None)
    spec = make_spec()
    spec = replace(spec, objective=spec.objective.model_copy(update={"constrained": True}))
    with pytest.raises(UserError, match=r"objective.constrained must be.*\[constrained\]"):
        run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)
