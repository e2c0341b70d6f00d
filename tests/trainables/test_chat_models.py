"""Gemma 3 and Qwen 3, shrunken, with their own turns: SFT, GRPO, evaluation and export."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3TextConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from common.errors import UserError
from tests.trainables.conftest import VIBES
from trainables.chat import PromptFormat, end_of_turn_id
from trainables.export import export_merged
from trainables.grpo import VibeGRPOTrainer
from trainables.policy import eos_token_ids, load_policy
from trainables.sampling import sample_completions, stream_seed
from trainables.sft import run_sft
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedConfig

    from common.training_config import TrainingConfig
    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec

SYSTEM = "Name a sound."
ANSWER = '{"title":"rain"}'
VIBE = "calm harbour at night"

GEMMA_TEMPLATE = (
    "{{ bos_token }}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set first_user_prefix = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for message in turns -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate') }}{%- endif -%}"
    "{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
QWEN_TEMPLATE = (
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' and loop.last %}"
    "{{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message.content + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{%- endif %}"
)


@dataclass(frozen=True)
class Family:
    """What distinguishes one family's chat models."""

    config: Callable[..., PreTrainedConfig]
    specials: tuple[str, ...]
    """Their ids are their places."""
    names: dict[str, str]
    """The tokenizer's named tokens."""
    ends: tuple[str, ...]
    """What the model's generation config declares as the end."""
    template: str
    end_of_turn: str
    prompt: str
    """The rendered prompt for SYSTEM and VIBE."""


FAMILIES = {
    "gemma3": Family(
        config=Gemma3TextConfig,
        specials=("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"),
        names={"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"},
        ends=("<eos>", "<end_of_turn>"),
        template=GEMMA_TEMPLATE,
        end_of_turn="<end_of_turn>",
        prompt=f"<bos><start_of_turn>user\n{SYSTEM}\n\n{VIBE}<end_of_turn>\n<start_of_turn>model\n",
    ),
    "qwen3": Family(
        config=Qwen3Config,
        specials=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"),
        names={"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"},
        ends=("<|im_end|>", "<|endoftext|>"),
        template=QWEN_TEMPLATE,
        end_of_turn="<|im_end|>",
        prompt=(
            f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{VIBE}<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n"
        ),
    ),
}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def chat_model(family: Family, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder of the family, with random weights."""
    folder = tmp_path_factory.mktemp("chat-model")
    save_chat_model(family, folder, declared=family.ends)
    return str(folder)


def save_chat_model(family: Family, folder: Path, declared: tuple[str, ...]) -> None:
    tokenizer = make_tokenizer(family)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in family.names.items()}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        family.config(
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
            pad_token_id=ids["pad_token"],
            eos_token_id=ids["eos_token"],
            bos_token_id=ids.get("bos_token"),
        )
    )
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(declared))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [*VIBES, SYSTEM, ANSWER],
        trainers.BpeTrainer(
            vocab_size=360,
            special_tokens=list(family.specials),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        additional_special_tokens=[token for token in family.specials if token not in family.names.values()],
        chat_template=family.template,
        **family.names,
    )


@pytest.fixture(scope="module")
def answers_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    rows = [{"vibe_noisy": vibe, "vibe_original": vibe, "config_payload": ANSWER} for vibe in VIBES]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_prompt_is_the_familys_own(family: Family, chat_model: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_model)
    form = PromptFormat.of(tokenizer, SYSTEM)
    assert tokenizer.decode(form.token_ids(VIBE)) == family.prompt
    assert end_of_turn_id(tokenizer) == tokenizer.convert_tokens_to_ids(family.end_of_turn)


def test_a_system_prompt_and_a_template_have_one_hash(chat_model: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_model)
    first = PromptFormat.of(tokenizer, SYSTEM).prompt_hash
    assert PromptFormat.of(AutoTokenizer.from_pretrained(chat_model), SYSTEM).prompt_hash == first
    assert PromptFormat.of(tokenizer, "Name a colour.").prompt_hash != first
    tokenizer.chat_template = tokenizer.chat_template.replace("\n\n", "\n")
    assert PromptFormat.of(tokenizer, SYSTEM).prompt_hash != first


def test_a_folder_that_does_not_declare_its_end_of_turn_stops_there_too(
    family: Family, tmp_path: Path
) -> None:
    save_chat_model(family, tmp_path, declared=(family.names["eos_token"],))
    policy = load_policy(str(tmp_path))
    end = policy.tokenizer.convert_tokens_to_ids(family.end_of_turn)
    assert eos_token_ids(policy) == sorted({end, policy.tokenizer.eos_token_id})
    declared = policy.model.generation_config.eos_token_id  # what TRL reads
    assert end in (declared if isinstance(declared, list) else [declared])


def test_a_chat_model_goes_through_sft_grpo_evaluation_and_export(
    *,
    family: Family,
    chat_model: str,
    answers_file: str,
    make_config: Callable[..., TrainingConfig],
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: dict[str, Any] = {"system_prompt": SYSTEM, "noise__error_rate": 0.0}
    config = make_config(
        base_model=chat_model, max_steps=40, batch__batch_size=6, optimizer__learning_rate=2e-2, **settings
    )
    sft = str(run_sft(config, answers_file, str(tmp_path / "sft"), lambda progress: None))

    # SFT taught the answer and where the turn ends.
    policy = load_policy(sft)
    end = policy.tokenizer.convert_tokens_to_ids(family.end_of_turn)
    prompt = PromptFormat.of(policy.tokenizer, SYSTEM).token_ids(VIBE)
    answer = policy.tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
    greedy = policy.model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=40)[0].tolist()
    assert greedy[len(prompt) :] == [*answer, end]

    asked: list[list[int]] = []
    generate = VibeGRPOTrainer._generate

    def remembering(trainer: VibeGRPOTrainer, prompts: list[Any]) -> Any:
        generated = generate(trainer, prompts)
        asked.extend(generated[0])
        return generated

    monkeypatch.setattr(VibeGRPOTrainer, "_generate", remembering)
    # Warm enough for rollouts that differ: from equal ones nothing is learned.
    settings |= {"grpo__max_completion_length": 40, "grpo__temperature": 0.7}
    spec = make_spec(base_model=sft, max_steps=2, grpo__beta=0.1, **settings)
    changes = {"max_completion_length": 40, "temperature": 0.3}
    spec = replace(spec, objective=spec.objective.model_copy(update=changes))
    run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)

    # TRL asked in the same tokens, and rollouts and evaluations end where the turn does.
    form = PromptFormat.of(policy.tokenizer, SYSTEM)
    assert {tuple(ids) for ids in asked} <= {tuple(form.token_ids(vibe)) for vibe in VIBES}
    rows = read_ledger(spec.directory)
    assert sorted({(step, split) for step, split, *_ in rows}) == [
        (0, "held_out"), (0, "train"), (1, "train"), (2, "held_out"),
    ]  # fmt: skip
    assert {row["prompt_hash"] for row in rows.values()} == {form.prompt_hash}
    written: dict[str, set[tuple[str, int]]] = {"held_out": set(), "train": set()}
    for key, row in rows.items():
        written[key.split].add((row["completion"], row["num_tokens"]))
    taught = (ANSWER, len(answer) + 1)
    assert written["held_out"] == {taught}
    assert taught in written["train"]
    assert len(written["train"]) > 1

    # The adapter is the policy that was evaluated last, and so is the folder without adapters.
    adapter = str(Path(spec.directory) / "adapter")
    trained = load_policy(adapter)
    with torch.no_grad():
        before, after = (model.model(torch.tensor([prompt])).logits for model in (policy, trained))
    assert not torch.equal(before, after)
    last = {key: row for key, row in rows.items() if key[:2] == (2, "held_out")}
    again = sample_completions(
        trained,
        [form.token_ids(row["vibe"]) for row in last.values()],
        [stream_seed(spec.objective.decoding_seed, key.prompt_id, key.sample) for key in last],
        temperature=spec.objective.temperature,
        max_completion_length=40,
        batch_size=4,
    )
    assert [drawn.text for drawn in again] == [row["completion"] for row in last.values()]
    export_merged(adapter, tmp_path / "merged")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(plain(torch.tensor([prompt])).logits, trained.model(torch.tensor([prompt])).logits)
    assert plain.generation_config.eos_token_id == trained.model.generation_config.eos_token_id
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert PromptFormat.of(tokenizer, SYSTEM).token_ids(VIBE) == prompt


def test_an_export_does_not_write_over_anything(small_policy: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="the model's folder must be new or empty, got"):
        export_merged(small_policy, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
