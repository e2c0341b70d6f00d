"""What our trial adds to a step of TRL: against a plain script around `GRPOTrainer` with the same rewards.

    python -m benchmarks.trial_overhead [--pairs 4] [--steps 16] [--reward schema_only]

Each run has a process of its own, so that no cache is warm for the other; the two take turns. Counted is the
wall time of all steps but the first, with what is done at them: the ledger, TensorBoard, the guards,
checkpoints (of the plain script too). Held-out evaluations are not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from common.objective import ObjectiveConfig
from common.reward_config import COMPONENTS
from common.training_config import TrainingConfig, apply_overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.spec import Progress

Reward = Literal["schema_only", "clap"]
DATA = Path(__file__).parent.parent / "tiny" / "data"


def configuration(steps: int, reward: Reward) -> TrainingConfig:
    """The embedded policy, 16 completions a step, a checkpoint every five."""
    changes = {
        "base_model": "tiny",
        "max_steps": steps,
        "grpo.num_generations": 8,
        "grpo.max_completion_length": 112,
        "grpo.reward.reward_type": reward,
        "optimizer.learning_rate": 1e-4,
        "logging.save_steps": 5,
    }
    return apply_overrides(TrainingConfig(), changes)


def plain_trainer(config: TrainingConfig, reward: Reward, folder: Path, *callbacks: Any) -> Any:
    """TRL's trainer as a script would build it that knows nothing of us but the reward."""
    import trl  # noqa: PLC0415 - in the measured process alone

    from rewards import Scorer, audio_backend  # noqa: PLC0415
    from trainables.chat import PromptFormat  # noqa: PLC0415
    from trainables.data import load_rows  # noqa: PLC0415
    from trainables.grpo import grpo_arguments, prompt_dataset  # noqa: PLC0415
    from trainables.policy import load_policy, lora_config  # noqa: PLC0415

    policy = load_policy(config.base_model)
    scorer = Scorer(audio_backend(reward, config.grpo.reward.clap, None))
    weights = config.grpo.reward.weights.as_tuple()

    def weighted(completions: Sequence[Any], reference: Sequence[str], **_: Any) -> list[float]:
        texts = [text if isinstance(text, str) else text[0]["content"] for text in completions]
        return [
            sum(
                weight * (getattr(score, name) or 0.0)
                for weight, name in zip(weights, COMPONENTS, strict=True)
            )
            for score in scorer.score(reference, texts)
        ]

    return trl.GRPOTrainer(
        model=policy.model,
        reward_funcs=[weighted],
        args=grpo_arguments(config, folder, [1.0]),
        train_dataset=prompt_dataset(
            load_rows(DATA / "vibes_train.jsonl", config.data),
            PromptFormat.of(policy.tokenizer, config.system_prompt),
        ),
        processing_class=policy.tokenizer,
        peft_config=lora_config(policy.model, config.lora),
        callbacks=list(callbacks),
    )


def plain(steps: int, reward: Reward) -> float:
    """Seconds per step of a plain script."""
    import torch  # noqa: PLC0415 - in the measured process alone
    from transformers import TrainerCallback  # noqa: PLC0415

    torch.set_num_threads(1)

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        def __init__(self) -> None:
            self.at: dict[int, float] = {}

        def on_log(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
            self.at.setdefault(state.global_step, time.perf_counter())

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        plain_trainer(configuration(steps, reward), reward, Path(folder), clock).train()
    return (clock.at[steps] - clock.at[1]) / (steps - 1)


def ours(steps: int, reward: Reward) -> float:
    """Seconds per step of a trial."""
    from rewards import Scorer, audio_backend  # noqa: PLC0415 - in the measured process alone
    from trainables.spec import TrialSpec  # noqa: PLC0415
    from trainables.trial import run_trial  # noqa: PLC0415

    config = configuration(steps, reward)
    at: dict[int, float] = {}

    def report(progress: Progress) -> None:
        at.setdefault(progress.step, time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        spec = TrialSpec(
            sweep="overhead",
            trial_id="ours",
            kind="trial",
            config=config,
            config_hash="overhead",
            params={},
            train_data=str(DATA / "vibes_train.jsonl"),
            held_out_data="tiny",
            objective=ObjectiveConfig(num_vibes=2, max_completion_length=16),
            directory=f"{folder}/trial",
            tensorboard=f"{folder}/tensorboard",
        )
        scorer = Scorer(audio_backend(reward, config.grpo.reward.clap, None))
        run_trial(spec, scorer, Scorer(None), report)
    return (at[steps] - at[1]) / (steps - 1)


def alone(call: Any, *arguments: Any) -> float:
    """The call's result, from a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return float(pool.submit(call, *arguments).result())


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trial_overhead")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--reward", choices=get_args(Reward), default="schema_only")
    args = parser.parse_args()
    ratios = []
    for number in range(args.pairs):
        turn = (plain, ours) if number % 2 else (ours, plain)
        took = {call: alone(call, args.steps, args.reward) for call in turn}
        ratios.append(took[ours] / took[plain])
        print(f"plain {took[plain]:.3f} s a step, ours {took[ours]:.3f} s: {ratios[-1]:.3f}", flush=True)
    print(f"ours takes {statistics.median(ratios):.3f} times the plain script's step (goal 1.03, floor 1)")


if __name__ == "__main__":
    main()
