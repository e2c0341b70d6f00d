"""`vibesweep train sft|grpo`: one training run in this process, with the ablation guide's flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from common.errors import UserError
from search_spaces import register_prompts_file
from vibesweep.options import existing_file, training_config

__all__ = ["app"]

app = typer.Typer(help="Train one model: sft, then grpo.", no_args_is_help=True)

Model = Annotated[
    str | None, typer.Option(help="Base model, folder of a model, an adapter or a run, or hub id.")
]
Data = Annotated[Path, typer.Option(help="Training rows, JSONL.")]
Output = Annotated[
    Path, typer.Option(help="Folder of the run: adapter, checkpoints, TensorBoard, ledger of GRPO.")
]
ConfigFile = Annotated[Path | None, typer.Option(help="JSON with TrainingConfig's structure.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what the output folder holds.")]
Epochs = Annotated[float | None, typer.Option(help="Passes over the rows.")]
MaxSteps = Annotated[int | None, typer.Option(help="Optimizer steps instead of epochs.")]
LearningRate = Annotated[float | None, typer.Option(help="Peak learning rate.")]
LoraRank = Annotated[int | None, typer.Option("--lora-r", help="LoRA rank.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the run.")]
PromptsFile = Annotated[
    Path | None, typer.Option(help="YAML file of your own prompts, or a folder of such files.")
]
PromptName = Annotated[
    str | None, typer.Option("--prompt", help="Registered prompt that asks for the config.")
]
ValidationShare = Annotated[
    float, typer.Option(help="Share of the rows to hold back, whose loss is told.", min=0, max=0.9)
]
Packing = Annotated[
    bool,
    typer.Option(
        "--packing",
        help="Fill sequences of data.max_seq_length with rows. A batch is then one long row, whose attention "
        "on a CPU takes time and memory by its square: lower batch.batch_size or that length.",
    ),
]
EvalData = Annotated[Path | None, typer.Option(help="Held-out vibes, JSONL; the embedded ones by default.")]
EvalVibes = Annotated[int | None, typer.Option(min=1, help="Number of them; 24 by default.")]
Advanced = Annotated[bool, typer.Option("--advanced", help="Allow presets and reward weights as flags.")]


@app.callback()
def _train(context: typer.Context, advanced: Advanced = False) -> None:
    context.obj = advanced


@app.command()
def sft(
    data: Data,
    output: Output,
    model: Model = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: LearningRate = None,
    lora_r: LoraRank = None,
    seed: Seed = None,
    config_file: ConfigFile = None,
    prompts_file: PromptsFile = None,
    prompt: PromptName = None,
    validation_share: ValidationShare = 0.0,
    packing: Packing = False,
    overwrite: Overwrite = False,
) -> None:
    """Supervised fine-tuning on (vibe, payload) rows: a warm start for grpo."""
    register_prompts_file(prompts_file)
    config = training_config(
        config_file,
        None,
        {
            "base_model": model,
            "epochs": epochs,
            "max_steps": max_steps,
            "optimizer.learning_rate": learning_rate,
            "lora.r": lora_r,
            "seed": seed,
            "prompts.config_generation": prompt,
        },
    )
    existing_file(data, "--data")
    from trainables.single import train_sft  # noqa: PLC0415 - imports torch, transformers and trl

    record = train_sft(
        config, data, output, validation_share=validation_share, packing=packing, overwrite=overwrite
    )
    print(f"adapter: {output}")
    if losses := record.validation_losses:
        print(
            f"validation loss: {losses[record.steps]:.4f} nats per token, {losses[0]:.4f} before "
            f"({record.num_validation_rows} rows held back, {record.num_rows} trained on)"
        )


@app.command()
def grpo(
    context: typer.Context,
    data: Data,
    output: Output,
    model: Model = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: LearningRate = None,
    beta: Annotated[float | None, typer.Option(help="KL coefficient.")] = None,
    lora_r: LoraRank = None,
    seed: Seed = None,
    config_file: ConfigFile = None,
    prompts_file: PromptsFile = None,
    prompt: PromptName = None,
    eval_data: EvalData = None,
    eval_vibes: EvalVibes = None,
    overwrite: Overwrite = False,
    ablation_preset: Annotated[str | None, typer.Option(help="group:name; needs --advanced.")] = None,
    format_weight: Annotated[float | None, typer.Option(help="Reward weight; needs --advanced.")] = None,
    schema_weight: Annotated[float | None, typer.Option(help="Reward weight; needs --advanced.")] = None,
    audio_weight: Annotated[float | None, typer.Option(help="Reward weight; needs --advanced.")] = None,
) -> None:
    """Reinforcement learning against format, schema and audio rewards."""
    advanced: dict[str, Any] = {
        "--ablation-preset": ablation_preset,
        "--format-weight": format_weight,
        "--schema-weight": schema_weight,
        "--audio-weight": audio_weight,
    }
    _refuse_unless_advanced(context, advanced)
    weights = "grpo.reward.weights"
    register_prompts_file(prompts_file)
    config = training_config(
        config_file,
        ablation_preset,
        {
            "base_model": model,
            "epochs": epochs,
            "max_steps": max_steps,
            "optimizer.learning_rate": learning_rate,
            "grpo.beta": beta,
            "lora.r": lora_r,
            "seed": seed,
            "prompts.config_generation": prompt,
            f"{weights}.format_weight": format_weight,
            f"{weights}.schema_weight": schema_weight,
            f"{weights}.audio_weight": audio_weight,
        },
    )
    existing_file(data, "--data")
    if eval_data is not None:
        existing_file(eval_data, "--eval-data")
    from trainables.single import train_grpo  # noqa: PLC0415 - imports torch, transformers and trl

    result = train_grpo(config, data, output, eval_data=eval_data, eval_vibes=eval_vibes, overwrite=overwrite)
    print(f"adapter: {output / 'adapter'}")
    print(f"held-out objective: {result.objective:.4f} (validity {result.validity:.0%})")


def _refuse_unless_advanced(context: typer.Context, flags: dict[str, Any]) -> None:
    given = [flag for flag, value in flags.items() if value is not None]
    if given and not context.obj:
        raise UserError(
            f"{', '.join(given)} must be preceded by --advanced; write `vibesweep train --advanced grpo …`"
        )
