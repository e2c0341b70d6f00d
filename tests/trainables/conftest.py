"""A small random policy, small data and a scorer without sound, made once per session."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from common.ledger import KEY, TIMINGS, RowKind, Split
from common.objective import ObjectiveConfig
from common.training_config import TrainingConfig, apply_overrides
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.spec import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<vibe>' + message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<config>' }}{% endif %}"
)
VIBES = tuple(
    f"{mood} {place} {time}"
    for mood in ("calm", "neon", "dusty", "slow")
    for place in ("harbour", "cathedral", "forest")
    for time in ("at night", "in the rain")
)


def make_tokenizer(chat_template: str | None) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<eos>", "<bos>", "<vibe>", "<config>"]
    tokenizer.train_from_iterator(
        VIBES,
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        additional_special_tokens=["<vibe>", "<config>"],
        chat_template=chat_template,
        padding_side="left",
    )


def save_policy(
    folder: Path, architecture: str = "gemma3_text", chat_template: str | None = CHAT_TEMPLATE
) -> str:
    """A policy with random weights and a byte-level tokenizer, as a model folder."""
    tokenizer = make_tokenizer(chat_template)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(
            architecture,
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=32,
            max_position_embeddings=512,
            initializer_range=0.1,  # wide enough that the logits can learn to be sure
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session", autouse=True)
def _imports_are_left_out_of_garbage_collection() -> None:
    """Every trial collects garbage at its end; looking through all of torch each time takes a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def small_policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def other_policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Other architectures: with a template that can think, with none, and with biases."""
    thinking = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}"
        "{% if enable_thinking is defined and not enable_thinking %}{{ '<think></think>' }}{% endif %}"
        "{% endif %}"
    )
    folder = tmp_path_factory.mktemp("other")
    return {
        "qwen3": save_policy(folder / "qwen3", "qwen3", thinking),
        "llama": save_policy(folder / "llama", "llama", chat_template=None),
        "qwen2": save_policy(folder / "qwen2", "qwen2"),
    }


@pytest.fixture(scope="session")
def vibes_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "vibes.jsonl"
    path.write_text("".join(json.dumps({"vibe_noisy": v, "vibe_original": v}) + "\n" for v in VIBES))
    return str(path)


class StubScorer(Scorer):
    """Scores a text by its characters: deterministic, and as varied as the text."""

    def __init__(self) -> None:
        super().__init__(None)
        self.scorer_id = "stub"

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        return [
            Components(format=0.0, schema=sum(map(ord, text)) % 97 / 96, audio=None, renderable=None)
            for text in completions
        ]


@pytest.fixture
def stub_scorer() -> StubScorer:
    return StubScorer()


@pytest.fixture
def make_config(small_policy: str) -> Callable[..., TrainingConfig]:
    """A configuration that trains the small policy in seconds; dotted paths change it."""

    def make(**overrides: Any) -> TrainingConfig:
        small = {
            "base_model": small_policy,
            "max_steps": 4,
            "batch.batch_size": 4,
            "grpo.num_generations": 2,
            "grpo.max_completion_length": 12,
            "grpo.reward.reward_type": "schema_only",
            "logging.save_steps": 2,
        }
        changes = {name.replace("__", "."): value for name, value in overrides.items()}
        return apply_overrides(TrainingConfig(), small | changes)

    return make


@pytest.fixture
def make_spec(
    tmp_path: Path, vibes_file: str, make_config: Callable[..., TrainingConfig]
) -> Callable[..., TrialSpec]:
    """A trial in a folder of its own under tmp_path."""

    def make(name: str = "t000-s1", *, kind: RowKind = "trial", **overrides: Any) -> TrialSpec:
        return TrialSpec(
            sweep="test",
            trial_id=name,
            kind=kind,
            config=make_config(**overrides),
            config_hash="0123456789abcdef",
            params=overrides,
            train_data=vibes_file,
            held_out_data=vibes_file,
            objective=ObjectiveConfig(num_vibes=3, samples=2, max_completion_length=12, batch_size=4),
            directory=str(tmp_path / "trials" / name),
            tensorboard=str(tmp_path / "tensorboard" / name),
        )

    return make


class RowKey(NamedTuple):
    """A ledger row's key within its trial."""

    step: int
    split: Split
    prompt_id: str
    sample: int


ReadLedger = Callable[[str], dict[RowKey, dict[str, Any]]]
"""From a trial's folder to its rows: column to value."""


@pytest.fixture
def read_ledger() -> ReadLedger:
    """All rows of a trial's folder by key, without the trial's own name and without timings."""

    def read(directory: str) -> dict[RowKey, dict[str, Any]]:
        rows: dict[RowKey, dict[str, Any]] = {}
        for part in sorted(Path(directory).glob("ledger/*.parquet")):
            for row in pq.read_table(part).to_pylist():
                key = RowKey(**{name: row[name] for name in KEY if name != "trial_id"})
                assert key not in rows, f"{key} is twice in the ledger"
                rows[key] = {k: v for k, v in row.items() if k not in {"trial_id", *TIMINGS}}
        return rows

    return read
