"""How many tokens the training prompts have for a policy, where its tokenizer is at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from common.training_config import BASE_MODELS, DataConfig, TrainingConfig, resolve_model
from trainables.adapter_base import base_of_adapter
from trainables.chat import PromptFormat
from trainables.data import VibeRow, load_rows
from trainables.noise import add_noise

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptLengths", "Prompts"]


class Prompts(NamedTuple):
    """The training prompts of one trial."""

    lengths: tuple[int, ...]
    """Tokens of each row's prompt, with its noise; 0 where there is no tokenizer."""
    context: int | None
    """Tokens that the policy can hold; None where that is not known."""
    is_known: bool
    """Whether the tokenizer is at hand."""


class _Model(NamedTuple):
    tokenizer: PreTrainedTokenizerBase
    context: int | None


@dataclass
class PromptLengths:
    """Counts the prompts' tokens as a trial's own check will; nothing is downloaded for it."""

    path: Path
    """The training rows."""
    _rows: dict[DataConfig, list[VibeRow]] = field(default_factory=dict)
    _models: dict[str, _Model | None] = field(default_factory=dict)
    _forms: dict[tuple[str, str], PromptFormat] = field(default_factory=dict)
    _counted: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def __call__(self, config: TrainingConfig) -> Prompts:
        """The prompts of a trial with this configuration and its seed.

        Raises:
            UserError: the rows lack the fields that the configuration names.
        """
        rows = self._rows_of(config.data)
        model = self._model(config.base_model)
        if model is None:
            return Prompts((0,) * len(rows), None, is_known=False)
        name, system_prompt = config.base_model, config.system_prompt
        form = self._forms.get((name, system_prompt))
        if form is None:
            form = self._forms[name, system_prompt] = PromptFormat.of(model.tokenizer, system_prompt)
        lengths = []
        for row in add_noise(rows, config.noise, config.seed):
            key = (name, system_prompt, row.prompt)
            if key not in self._counted:
                self._counted[key] = len(form.token_ids(row.prompt))
            lengths.append(self._counted[key])
        return Prompts(tuple(lengths), model.context, is_known=True)

    def _rows_of(self, fields: DataConfig) -> list[VibeRow]:
        # The length limit changes no row.
        names = fields.model_copy(update={"max_seq_length": DataConfig().max_seq_length})
        if names not in self._rows:
            self._rows[names] = load_rows(self.path, names)
        return self._rows[names]

    def _model(self, name: str) -> _Model | None:
        if name not in self._models:
            self._models[name] = _load(_base_of(name))
        return self._models[name]


def _base_of(name: str) -> str:
    """The folder or hub id whose tokenizer a policy uses: an adapter has its base's."""
    target = resolve_model(name, BASE_MODELS)
    base = base_of_adapter(Path(target))
    return target if base is None else _base_of(base)


def _load(target: str) -> _Model | None:
    from transformers import AutoConfig, AutoTokenizer  # noqa: PLC0415 - seconds

    try:
        tokenizer = AutoTokenizer.from_pretrained(target, local_files_only=True)
        config: Any = AutoConfig.from_pretrained(target, local_files_only=True).get_text_config()
    except (OSError, ValueError):
        return None
    return _Model(tokenizer, getattr(config, "max_position_embeddings", None))
