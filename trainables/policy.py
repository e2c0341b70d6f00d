"""The policy: a base model, or an adapter merged into its base, ready for a fresh LoRA."""

from __future__ import annotations

import copy
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import find_adapter_config_file

from common.errors import UserError
from common.hub import expect_model
from common.training_config import BASE_MODELS, resolve_model
from trainables.adapter_base import ADAPTER_FILE, BaseRecord, base_of_adapter
from trainables.chat import end_of_turn_id
from trainables.checksums import sync_files
from trainables.pristine import pristine, stamps

if TYPE_CHECKING:
    from collections.abc import Hashable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from common.training_config import LoRAConfig

__all__ = [
    "Policy",
    "eos_token_ids",
    "leave_out_card",
    "load_policy",
    "lora_config",
    "restore_adapter",
    "save_adapter",
]


class Policy(NamedTuple):
    """A causal language model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_policy(name: str) -> Policy:
    """Load a policy in fp32 on the CPU, in bf16 where there is CUDA.

    An adapter folder is merged into its own base, which may again be an adapter folder: a LoRA put on
    top starts at zero, whatever its rank, and the reference of its KL is the adapter's policy.

    Files that have not changed are read once per process; every call returns a copy of its own.

    Args:
        name: a key of BASE_MODELS, a folder with a model or an adapter or of a training run that has left its
            adapter there, or the hub id of a model or an adapter.

    Raises:
        UserError: there is no model under that name.
    """
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    model, tokenizer = pristine((_origin(name), dtype), partial(_read, name, dtype))
    # The vocabulary is shared: nobody adds to it, and to copy a large one takes as long as to read it.
    vocabulary = getattr(tokenizer, "backend_tokenizer", None)
    return Policy(copy.deepcopy(model), copy.deepcopy(tokenizer, {id(vocabulary): vocabulary}))


def _origin(name: str) -> tuple[Hashable, ...]:
    """What decides the weights: the files of a folder, and those of its bases. A hub id stands for itself."""
    target = _target(name)
    base = _base_of(target)
    files = stamps(Path(target)) if Path(target).is_absolute() else ()
    return (target, files, *(_origin_of_base(base, target) if base else ()))


def _origin_of_base(base: str, adapter: str) -> tuple[Hashable, ...]:
    try:
        return _origin(base)
    except UserError as error:
        raise UserError(f"the adapter {adapter} needs the base that it was trained on: {error}") from error


def _target(name: str) -> str:
    """The folder or hub id of a model, which is there or can be loaded."""
    target = resolve_model(name, BASE_MODELS)
    if not Path(target).is_absolute():
        expect_model(target, name, "model")
    return target


def _base_of(target: str) -> str | None:
    """What an adapter was trained on; None where there is none. transformers would leave it unmerged."""
    if Path(target).is_absolute():
        return base_of_adapter(Path(target))
    file = find_adapter_config_file(target)
    return base_of_adapter(Path(file).parent) if file else None


def _read(name: str, dtype: torch.dtype) -> Policy:
    target = _target(name)
    folder = Path(target)
    is_local = folder.is_absolute()
    if base := _base_of(target):
        model, tokenizer = _read(base, dtype)
        return Policy(PeftModel.from_pretrained(model, target).merge_and_unload(), tokenizer)
    if is_local and not (folder / "config.json").is_file():
        raise UserError(
            f"model must be a folder with config.json or {ADAPTER_FILE}, got {name!r} ({target}); "
            "check the path"
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(target, dtype=dtype)
        tokenizer = AutoTokenizer.from_pretrained(target, padding_side="left")
    except (OSError, ValueError) as error:
        raise UserError(
            f"model must be a causal language model that transformers can load, got {name!r} "
            f"({str(error).splitlines()[0]}); check the name, or `hf auth login` for a gated hub id"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    policy = Policy(model, tokenizer)
    ends = sorted({*eos_token_ids(policy), end_of_turn_id(tokenizer)})
    if len(ends) > 1:
        # TRL and generation stop where the model says, and not every chat model's folder says it.
        model.generation_config.eos_token_id = ends
    return policy


def eos_token_ids(policy: Policy) -> list[int]:
    """Every token that ends a completion: the tokenizer's, and what the model declares (end of turn)."""
    declared: Any = policy.model.generation_config.eos_token_id
    ids = [declared] if isinstance(declared, int) else list(declared or [])
    return sorted({*ids, policy.tokenizer.eos_token_id})


def lora_config(model: PreTrainedModel, lora: LoRAConfig) -> LoraConfig:
    """PEFT's configuration of the adapter.

    Raises:
        UserError: a target module, or biases, that the model does not have.
    """
    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if missing := sorted(set(lora.target_modules) - present):
        raise UserError(
            f"lora.target_modules must name modules of {type(model).__name__}, got {', '.join(missing)}; "
            f"it has {', '.join(sorted(n for n in present if n.endswith('_proj'))) or 'no *_proj modules'}"
        )
    trained = {"none": set(), "all": present, "lora_only": set(lora.target_modules)}[lora.bias]
    if lora.bias != "none" and not trained & _bias_owners(model):
        raise UserError(
            f"lora.bias must be 'none' for {type(model).__name__}, got {lora.bias!r}; it has no such biases"
        )
    return LoraConfig(
        r=lora.r,
        # PEFT types alpha as int and divides by r; a fraction works as well.
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias=lora.bias,
        target_modules=list(lora.target_modules),
        task_type="CAUSAL_LM",
    )


def _bias_owners(model: PreTrainedModel) -> set[str]:
    """Names of the modules that have a bias."""
    owners = (name.removesuffix(".bias") for name, _ in model.named_parameters() if name.endswith(".bias"))
    return {owner.rpartition(".")[2] for owner in owners}


def restore_adapter(model: PeftModel, folder: Path) -> None:
    """Give the model's adapter the weights of a checkpoint or of an adapter folder."""
    set_peft_model_state_dict(model, load_peft_weights(str(folder), device=str(model.device)))


def leave_out_card(model: PeftModel) -> None:
    """Let a model save itself without PEFT's card: its blanks say nothing, and to write it takes 0.1 s."""
    model.create_or_update_model_card = lambda *_, **__: None


def save_adapter(model: PeftModel, folder: Path, base_model: str) -> None:
    """Write a trained adapter so that `load_policy(folder)` gives the trained policy.

    Its configuration comes last, without which a folder is no adapter: one that was cut off does not load.

    Args:
        model: the model with the adapter.
        folder: where to write.
        base_model: what the adapter was trained on, as `load_policy` takes it. PEFT's file gets its hub id or
            absolute path, `base.json` what still finds it on another machine.
    """
    model.peft_config["default"].base_model_name_or_path = resolve_model(base_model, BASE_MODELS)
    leave_out_card(model)
    # PEFT would otherwise look the base up on the hub, to see whether its vocabulary has grown.
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished, save_embedding_layers=False)
    (folder / ADAPTER_FILE).unlink(missing_ok=True)
    BaseRecord.of(base_model, folder).write(folder)
    for path in sorted(unfinished.iterdir(), key=lambda path: path.name == ADAPTER_FILE):
        path.replace(folder / path.name)
    unfinished.rmdir()
    sync_files(folder)  # the run's record will say that it is there
