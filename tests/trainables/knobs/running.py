"""Knobs of data, prompts, logging and infrastructure, seen in what a trial reads, writes and asks for."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError

from cluster.retries import attempt
from common.errors import TrialError, UserError
from common.prompt_registry import get_prompt
from common.reward_config import ClapScorerConfig
from tests.trainables.knobs.bench import Bench, Knob, VariedScorer, trained_by
from trainables.baselines import random_payload
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.sft import VibeSFTTrainer, run_sft
from trainables.shown import shown_completions
from trainables.trial import run_trial

if TYPE_CHECKING:
    from datasets import Dataset

    from common.training_config import TrainingConfig

__all__ = ["KNOBS"]


def prompts(bench: Bench, config: TrainingConfig) -> list[str]:
    """What the policy is given to read, in tokens, and back in text."""
    trainer = bench.trainer(config)
    ids, *_ = trainer._tokenize_prompts([row["prompt"] for row in trainer.train_dataset])
    return [trainer.processing_class.decode(one) for one in ids]


def system_prompt(bench: Bench, config: TrainingConfig) -> str:
    """The system's part of the first prompt, as the chat template renders it."""
    return prompts(bench, config)[0].partition("<|system|>")[2].partition("<|user|>")[0][:60]


def num_corrupted(bench: Bench, config: TrainingConfig) -> int:
    vibes = [f"<vibe>{line.split(chr(34))[3]}<config>" for line in bench.rows.read_text().splitlines()]
    read = [text.replace("<bos>", "") for text in prompts(bench, config)]
    return sum(ours != theirs for ours, theirs in zip(read, vibes, strict=True))


def first_vibe(bench: Bench, config: TrainingConfig) -> str:
    return prompts(bench, config)[0].replace("<bos>", "")


def first_reference(bench: Bench, config: TrainingConfig) -> str:
    return str(bench.trainer(config).train_dataset[0]["reference"])


def taught(bench: Bench, config: TrainingConfig) -> str:
    """The response that SFT learns from the first row."""
    found: list[tuple[Dataset, Any]] = []

    def collecting(trainer: Any, *_: Any, **__: Any) -> None:
        found.append((trainer.train_dataset, trainer.processing_class))

    bench.count += 1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(VibeSFTTrainer, "train", collecting)
        run_sft(config, str(bench.rows), str(bench.folder / f"sft{bench.count}"), lambda _: None)
    ((dataset, tokenizer),) = found
    return str(tokenizer.decode([label for label in dataset[0]["labels"] if label >= 0]))


def ends_with(bench: Bench, config: TrainingConfig) -> str:
    """How the trial ends: finished, or the part of its error before the numbers."""
    try:
        bench.steps(config)
    except (UserError, TrialError) as error:
        text = str(error)
        return text[text.find("row 1") :].partition(",")[0] if "row 1" in text else text.partition(",")[0]
    return "finished"


def log_entries(bench: Bench, config: TrainingConfig) -> list[int]:
    """Steps with a log entry of the training: reports that bring a reward and no evaluation."""
    return [entry["step"] for entry in bench.steps(config).trainer.state.log_history if "loss" in entry]


def checkpoints(bench: Bench, config: TrainingConfig) -> list[str]:
    return sorted(path.name for path in bench.steps(config).folder.glob("checkpoints/checkpoint-*"))


def evaluated(bench: Bench, config: TrainingConfig) -> list[int]:
    return sorted({row["step"] for row in bench.steps(config).held_out})


def without_wandb(bench: Bench, config: TrainingConfig) -> str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("trainables.grpo.find_spec", lambda name: None)
        return ends_with(bench, config)


def steps(bench: Bench, config: TrainingConfig) -> int:
    seen = bench.steps(config)
    assert seen.result.steps == seen.trainer.state.global_step
    return seen.result.steps


def seeded(bench: Bench, config: TrainingConfig) -> tuple[float, str, str]:
    """The adapter at its start, the order of the rows, and their noise."""
    trainer = bench.trainer(config)
    start = next(p for n, p in trainer.model.named_parameters() if "lora_A" in n)
    order = [row["prompt_id"] for row in next(iter(trainer.get_train_dataloader()))]
    return start.detach().sum().item(), " ".join(order), "|".join(prompts(bench, config))


class _EachDiffers:
    """Equal to any tuple, and so a tuple of things that all have to differ."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple)

    __hash__ = None  # type: ignore[assignment]  # compared only


def architecture(bench: Bench, config: TrainingConfig) -> str:
    return str(bench.trainer(config).model.config.model_type)


def threads(bench: Bench, config: TrainingConfig) -> int:
    """Torch's threads when the training begins."""
    found: list[int] = []

    def counting(trainer: Any) -> None:
        found.append(torch.get_num_threads())
        raise ZeroDivisionError

    scorer = VariedScorer(None)
    with trained_by(counting), pytest.raises(ZeroDivisionError):
        run_trial(bench.spec(config), scorer, scorer, lambda _: None)
    return found[0]


def asked_of_tune(bench: Bench, config: TrainingConfig) -> tuple[dict[str, float], int]:
    """A trial's bundle of resources, and how often Tune starts it again."""
    from ray import tune  # noqa: PLC0415 - takes seconds

    from cluster import sweep as sweeps  # noqa: PLC0415
    from cluster.budget import Budget  # noqa: PLC0415
    from cluster.progress import SweepDisplay  # noqa: PLC0415
    from cluster.task import SweepTask, TrialCode  # noqa: PLC0415
    from search_spaces.sweep_file import SweepFile  # noqa: PLC0415

    infra = {f"infra.{name}": value for name, value in config.infra.model_dump().items()}
    rows = str(bench.rows)
    sweep = SweepFile.model_validate(
        {
            "name": "knobs",
            "base": {"base_model": "tiny"} | infra,
            "data": {"train": rows, "held_out": rows},
        }
    )
    task = SweepTask("knobs", str(bench.folder), rows, rows, sweep.objective, None, TrialCode())
    asked: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tune, "Tuner", lambda trainable, **how: asked.append({"trainable": trainable} | how))
        patched.setattr(sweeps, "living_nodes", tuple)  # no Ray runs here
        searcher: Any = None  # Tune is not made, so nobody asks it
        sweeps._tuner(sweep, task, searcher, Budget(sweep, bench.folder), SweepDisplay("knobs", 1))
    (bundle,) = asked[0]["trainable"]._resources.bundles
    return bundle, asked[0]["run_config"].failure_config.max_failures


def shown(bench: Bench, config: TrainingConfig) -> tuple[int, int]:
    """Completions that an evaluation shows of five vibes, and how many of them it plays; all are music."""
    scorer = VariedScorer(None)
    text = random_payload(random.Random(0)).model_dump_json()
    completions = [Completion(str(place), 0, 0, "rain", text, 1, 0.0) for place in range(5)]
    components = scorer.score(["rain"] * 5, [text] * 5)
    ledger = LedgerWriter(bench.spec(config))
    rows = ledger.rows("held_out", 1, completions, components, score_s=1.0, scorer=scorer)
    found = shown_completions(rows, config.logging, ClapScorerConfig(seconds=0.5))
    return len(found), sum(one.clip is not None for one in found)


def texts(bench: Bench, config: TrainingConfig) -> int:
    return shown(bench, config)[0]


def clips(bench: Bench, config: TrainingConfig) -> int:
    return shown(bench, config)[1]


def bundle(bench: Bench, config: TrainingConfig) -> dict[str, float]:
    return asked_of_tune(bench, config)[0]


def retries(bench: Bench, config: TrainingConfig) -> int:
    return asked_of_tune(bench, config)[1]


def waits(bench: Bench, config: TrainingConfig) -> list[float]:
    """Seconds that a trial waits when it is started again after a crash."""
    slept: list[float] = []
    bench.count += 1
    folder = bench.folder / f"crashed{bench.count}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "sleep", slept.append)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), attempt(folder, config.infra, "driver"):
                raise ZeroDivisionError
    return slept


def named_prompt(name: str) -> str:
    return get_prompt(name).template[:60]


def registered(bench: Bench, config: TrainingConfig) -> str:
    """The prompt that `vibe_extraction` names; another name is refused."""
    with pytest.raises(ValidationError, match="prompt must be one of"):
        type(config).model_validate({"prompts": {"vibe_extraction": "nameless"}})
    return get_prompt(config.prompts.vibe_extraction).name


QWEN = {"base_model": "policies:qwen3"}
TWO = {"max_steps": 2}

KNOBS = {
    "base_model": Knob(
        architecture, [("policies:qwen3", "qwen3"), ("policies:llama", "llama")], {"system_prompt": ""}
    ),
    # 24 rows are 12 generation cycles of 2 prompts; 1.2 and 2.4 of them are begun.
    "epochs": Knob(steps, [(0.1, 2), (0.2, 3)], {"max_steps": None}),
    "max_steps": Knob(steps, [(1, 1), (2, 2)]),
    "seed": Knob(seeded, [(42, _EachDiffers()), (7, _EachDiffers())], {"noise.error_rate": 0.5}),
    # No trial reads it: `search_spaces` refuses it as an axis.
    "prompts.vibe_extraction": Knob(registered, [("vibe_v1", "vibe_v1"), ("system_v1", "system_v1")]),
    "prompts.config_generation": Knob(
        system_prompt, [(name, named_prompt(name)) for name in ("config_v1", "system_v1")],
        QWEN | {"data.max_seq_length": 8192},
    ),
    "system_prompt": Knob(system_prompt, [("Compose.", "Compose."), ("Sing.", "Sing.")], QWEN),
    "noise.error_rate": Knob(num_corrupted, [(0.0, 0), (0.5, 12), (1.0, 24)]),
    "noise.force_augmentation": Knob(num_corrupted, [(False, 0), (True, 1)]),
    "data.prompt_field": Knob(
        first_vibe,
        [
            ("vibe_noisy", "<vibe>calm harbour at night<config>"),
            ("prompt", "<vibe>calm harbour at night prompt<config>"),
        ],
    ),
    "data.reference_field": Knob(
        first_reference,
        [("vibe_original", "calm harbour at night clean"), ("reference", "calm harbour at night reference")],
    ),
    "data.response_field": Knob(taught, [("config_payload", '{"a": 1}<eos>'), ("response", '{"b": 2}<eos>')]),
    "data.max_seq_length": Knob(
        ends_with, [(4096, "finished"), (16, "row 1: prompt and completion must fit data.max_seq_length 16")]
    ),
    "logging.logging_steps": Knob(log_entries, [(1, [1, 2]), (2, [2])], TWO),
    "logging.save_strategy": Knob(checkpoints, [("steps", ["checkpoint-2"]), ("no", [])], TWO),
    "logging.save_steps": Knob(
        checkpoints, [(2, ["checkpoint-2"]), (1, ["checkpoint-1", "checkpoint-2"])], TWO
    ),
    "logging.eval_steps": Knob(evaluated, [(0, [0, 2]), (1, [0, 1, 2])], TWO),
    "logging.text_samples": Knob(texts, [(0, 1), (3, 3)], {"logging.audio_clips": 1}),
    "logging.audio_clips": Knob(clips, [(0, 0), (2, 2)]),
    "logging.wandb_project": Knob(
        without_wandb, [(None, "finished"), ("vibes", "logging.wandb_project must be left out here")]
    ),
    "infra.gpu_type": Knob(
        bundle, [(None, {"CPU": 1.0}), ("H100", {"CPU": 1.0, "accelerator_type:H100": 0.001})]
    ),
    "infra.gpus_per_trial": Knob(bundle, [(0.0, {"CPU": 1.0}), (0.5, {"CPU": 1.0, "GPU": 0.5})]),
    "infra.cpus_per_trial": Knob(threads, [(1.0, 1), (1.5, 2)]),
    "infra.memory_gb_per_trial": Knob(bundle, [(0.0, {"CPU": 1.0}), (2.0, {"CPU": 1.0, "memory": 2**31})]),
    # Workers have places of their own, and Tune's process waits for them on the head node.
    "infra.num_workers": Knob(bundle, [(1, {"CPU": 1.0}), (2, {"node:__internal_head__": 0.001})]),
    "infra.timeout_hours": Knob(
        ends_with, [(3.0, "finished"), (1e-9, "a trial must end within infra.timeout_hours = 1e-09")]
    ),
    "infra.max_retries": Knob(retries, [(0, 0), (5, 5)]),
    "infra.retry_backoff_s": Knob(waits, [(0.0, []), (1.5, [1.5, 3.0])]),
}  # fmt: skip
