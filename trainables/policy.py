"""The policy: a base model, or an adapter merged into its base, ready for a fresh LoRA."""

from __future__ import annotations

import copy
import json
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from peft import LoraConfig, PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import find_adapter_config_file

from common.errors import UserError
from common.training_config import BASE_MODELS, resolve_model
from trainables.chat import end_of_turn_id
from trainables.checksums import sync_files
from trainables.pristine import pristine, stamps

if TYPE_CHECKING:
    from collections.abc import Hashable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from common.training_config import LoRAConfig

__all__ = [
    "ADAPTER_FILE",
    "Policy",
    "eos_token_ids",
    "load_policy",
    "lora_config",
    "restore_adapter",
    "save_adapter",
]

ADAPTER_FILE: Final = "adapter_config.json"


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
        name: a key of BASE_MODELS, a model folder or an adapter folder, or the hub id of either.

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
    target = resolve_model(name, BASE_MODELS)
    base = _base_of(target)
    files = stamps(Path(target)) if Path(target).is_absolute() else ()
    return (target, files, *(_origin(base) if base else ()))


def _base_of(target: str) -> str | None:
    """What an adapter was trained on; None where there is none. transformers would leave it unmerged."""
    file = find_adapter_config_file(target)
    if file is None:
        return None
    base: str = json.loads(Path(file).read_text())["base_model_name_or_path"]
    return base


def _read(name: str, dtype: torch.dtype) -> Policy:
    target = resolve_model(name, BASE_MODELS)
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
            f"({str(error).splitlines()[0]}); check the name, or the network for a hub id"
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


def save_adapter(model: PeftModel, folder: Path, base_model: str) -> None:
    """Write a trained adapter so that `load_policy(folder)` gives the trained policy.

    Its configuration comes last, without which a folder is no adapter: one that was cut off does not load.

    Args:
        model: the model with the adapter.
        folder: where to write.
        base_model: what the adapter was trained on. Short names and hub ids are kept, so that the adapter
            still finds its base on another machine; a folder becomes an absolute path.
    """
    name = base_model if base_model in BASE_MODELS else resolve_model(base_model, BASE_MODELS)
    model.peft_config["default"].base_model_name_or_path = name
    # PEFT would otherwise look the base up on the hub, to see whether its vocabulary has grown.
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished, save_embedding_layers=False)
    (folder / ADAPTER_FILE).unlink(missing_ok=True)
    for path in sorted(unfinished.iterdir(), key=lambda path: path.name == ADAPTER_FILE):
        path.replace(folder / path.name)
    unfinished.rmdir()
    sync_files(folder)  # the run's record will say that it is there
