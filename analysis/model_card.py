"""The model card of an exported adapter: what it is, what is known of it, and how to load it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.summary import objective_formula, plus_minus, short_name
from analysis.winner import cautions
from common.training_config import TrainingConfig, config_difference, flatten

if TYPE_CHECKING:
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep
    from analysis.winner import Winner

__all__ = ["model_card"]


def model_card(sweep: Sweep, ranking: Ranking, winner: Winner, *, base: str, base_is_adapter: bool) -> str:
    """The card as Markdown, with the metadata that model hubs read.

    Args:
        sweep: where the adapter was trained.
        ranking: of that sweep.
        winner: the trial.
        base: hub id or folder of what the adapter was trained on.
        base_is_adapter: whether that is itself an adapter, which PEFT alone does not stack.
    """
    record, row, config = winner.trial.record, winner.row, winner.config
    result = winner.trial.result
    assert result is not None
    data, hashes = sweep.record.sweep.data, sweep.record.data_sha256
    title = f"{sweep.name} {record.trial_id}"
    settings = flatten(config_difference(config, TrainingConfig()))
    if "system_prompt" in settings:
        settings["system_prompt"] = "see training_config.json"
    lines = [
        "---",
        f"base_model: {base}",
        "library_name: peft",
        "tags: [grpo, lora, vibesweep]",
        "---",
        "",
        f"# {title}",
        "",
        "A LoRA adapter that writes music configs as JSON. It was trained with GRPO by Vibesweep: the reward "
        "is how well the rendered sound fits a short text, as CLAP hears it, and how well the contract is "
        "kept.",
        "",
        "## Outcome",
        "",
        f"- Configuration: {short_name(row)}; rank {row.rank} of {len(ranking.rows)} with the baselines, "
        f"{len(ranking.configurations)} of which are configurations.",
        f"- Held-out objective ({objective_formula(ranking)}): {plus_minus(row.objective)} over "
        f"{len(row.seeds)} seed{'s' * (len(row.seeds) != 1)} and {row.num_vibes} vibes (95 % interval); this "
        f"seed, {record.seed}: {winner.by_seed[record.seed]:.3f}.",
        f"- {row.validity:.0%} of its held-out completions keep the contract.",
    ]
    if row.difference:
        start = "SFT policy" if row.difference.start == "sft_policy" else "untrained policy"
        lines.append(f"- Against the {start}: {plus_minus(row.difference.total, signed=True)}.")
    if row.prospect:
        lines.append(f"- Probability of being the best configuration: {row.prospect.probability:.2f}.")
    lines += [f"- {sentence}" for sentence in cautions(winner, ranking)]
    lines += [
        "",
        "## Training",
        "",
        f"- Base model: `{config.base_model}`" + (f" (`{base}`)" if base != config.base_model else ""),
        f"- Data: `{data.train}`, SHA-256 `{hashes.get('train', 'unknown')}`",
        f"- {result.steps} optimizer steps, seed {record.seed}",
        f"- Configuration hash: `{record.config_hash}`; all settings are in `training_config.json` beside "
        "this folder, which `vibesweep train grpo --config-file` takes. These differ from the defaults:",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| `{path}` | {_cell(value)} |" for path, value in settings.items()),
        "",
        "## Evaluation",
        "",
        f"- Held-out vibes: `{data.held_out}`, SHA-256 `{hashes.get('held_out', 'unknown')}`",
        f"- Temperature {sweep.objective.temperature:g}, completions for a vibe: {sweep.objective.samples}",
        *(f"- Scorer and renderer: `{one}`" for one in ranking.scorers),
        "",
        "## Use",
        "",
        *_usage(base, base_is_adapter=base_is_adapter),
        "",
        "## Versions",
        "",
        *(f"- {name} {version}" for name, version in sweep.record.versions.items()),
        f"- git revision {sweep.record.git_revision or 'unknown'}",
    ]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"`{value}`".replace("|", "\\|").replace("\n", " ")


def _usage(base: str, *, base_is_adapter: bool) -> list[str]:
    """Code that loads the adapter from the folder of the card."""
    if base_is_adapter:
        return [
            f"It was trained on top of another adapter, `{base}`, which has to be merged first:",
            "",
            "```python",
            "from trainables.policy import load_policy",
            "",
            'model, tokenizer = load_policy("adapter")',
            "```",
            "",
            "`vibesweep export --merged` makes a folder of it that plain transformers loads.",
        ]
    return [
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        *(["# in a checkout of Vibesweep, which has this base"] if base.startswith("tiny/") else []),
        f'base = AutoModelForCausalLM.from_pretrained("{base}")',
        'model = PeftModel.from_pretrained(base, "adapter")  # the folder of this card',
        f'tokenizer = AutoTokenizer.from_pretrained("{base}")',
        "```",
        "",
        "It was asked with the `system_prompt` of `training_config.json` and then the vibe, through the "
        "tokenizer's chat template, where it has one, with `enable_thinking=False`.",
    ]
