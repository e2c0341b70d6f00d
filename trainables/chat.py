"""From a vibe to the policy's input: through the tokenizer's chat template where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2.exceptions import TemplateError

from common.prompt_registry import prompt_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["CHAT_TEMPLATE_KWARGS", "Prompt", "PromptFormat", "end_of_turn_id"]

Prompt = str | list[dict[str, str]]
"""Plain text, or messages for the tokenizer's chat template."""

CHAT_TEMPLATE_KWARGS: Final[dict[str, Any]] = {"enable_thinking": False}
"""Qwen3 otherwise thinks before its answer, which then is not one JSON object; others ignore it."""

_SLOT: Final = "{vibe}"
"""What stands for the text in a prompt that is hashed or looked at."""


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends an answer.

    What the chat template puts behind one, if that is a token of its own: Gemma's `<end_of_turn>`, which is
    not its tokenizer's end of text. Else the tokenizer's end token.
    """
    end: int = tokenizer.eos_token_id
    if tokenizer.chat_template is None:
        return end
    messages = [{"role": "user", "content": "a vibe"}, {"role": "assistant", "content": _SLOT}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, **CHAT_TEMPLATE_KWARGS)
    _, found, behind = text.partition(_SLOT)
    following: list[int] = tokenizer(behind, add_special_tokens=False)["input_ids"] if found else []
    return following[0] if following and following[0] in tokenizer.added_tokens_decoder else end


@dataclass(frozen=True)
class PromptFormat:
    """How one tokenizer is asked under one system prompt."""

    tokenizer: PreTrainedTokenizerBase
    system_prompt: str
    has_system_role: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, system_prompt: str) -> PromptFormat:
        """The format that this tokenizer can render; some templates refuse the system role."""
        form = cls(tokenizer, system_prompt, has_system_role=True)
        try:
            form.token_ids("a vibe")
        except TemplateError:
            return cls(tokenizer, system_prompt, has_system_role=False)
        return form

    def prompt(self, vibe: str) -> Prompt:
        """What TRL is given for one vibe."""
        plain = f"{self.system_prompt}\n\n{vibe}"
        if self.tokenizer.chat_template is None:
            return f"{plain}\n"
        if not self.has_system_role:
            return [{"role": "user", "content": plain}]
        return [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": vibe}]

    @property
    def prompt_hash(self) -> str:
        """Hash of what the policy reads around a vibe, 16 hex digits.

        Of the system prompt as the chat template renders it: settings that ask in the same words have one
        hash, as all system prompts have where the template drops them.
        """
        return prompt_hash(self._rendered)

    @property
    def reads_system_prompt(self) -> bool:
        """Whether the policy is given the system prompt; templates such as the tiny policy's drop it."""
        return self.system_prompt.strip() in self._rendered

    @property
    def _rendered(self) -> str:
        """The text that the policy reads, with a slot for the vibe."""
        prompt = self.prompt(_SLOT)
        if not isinstance(prompt, str):
            prompt = self.tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, tokenize=False, **CHAT_TEMPLATE_KWARGS
            )
        return cast("str", prompt)

    def token_ids(self, vibe: str) -> list[int]:
        """The prompt's tokens, the same that TRL makes of `prompt(vibe)`."""
        prompt = self.prompt(vibe)
        if isinstance(prompt, str):
            encoded = self.tokenizer(prompt)
        else:
            encoded = self.tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, tokenize=True, return_dict=True, **CHAT_TEMPLATE_KWARGS
            )
        return cast("list[int]", encoded["input_ids"])
