"""Decoding that can write nothing but a payload of the contract's JSON schema.

It shows what a policy would be worth if its JSON never broke, so it is never what trials are ranked by: there
the policy has to keep the contract by itself. Rules that a JSON schema cannot say, such as the order of the
registers or distinct colours, can still be broken, and a completion can still be cut off.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import LogitsProcessor

from common.errors import UserError
from common.music_schema import MusicConfigPayload
from trainables.policy import eos_token_ids

if TYPE_CHECKING:
    from trainables.policy import Policy

__all__ = ["ContractGrammar", "check_llguidance"]


def check_llguidance() -> None:
    """Refuse constrained decoding where its library is missing.

    Raises:
        UserError: there is no llguidance.
    """
    if not find_spec("llguidance"):
        raise UserError(
            "objective.constrained must be false here, got true; it needs the llguidance package: pip "
            "install 'vibesweep[constrained]'"
        )


class ContractGrammar:
    """The contract's grammar over one policy's tokens; a second to make for a large vocabulary."""

    def __init__(self, policy: Policy) -> None:
        """
        Args:
            policy: its tokenizer is a fast one; its model says how many logits there are.
        """
        import llguidance  # noqa: PLC0415 - the extra `constrained`
        from llguidance.hf import from_tokenizer  # noqa: PLC0415

        self._matcher = llguidance.LLMatcher
        self._tokenizer = from_tokenizer(
            policy.tokenizer, n_vocab=policy.model.config.vocab_size, eos_token=eos_token_ids(policy)
        )
        schema = MusicConfigPayload.model_json_schema()
        # As SFT teaches it: no blanks between the tokens of the JSON.
        schema["x-guidance"] = {"whitespace_flexible": False}
        # Forcing takes the only possible text one token at a time as the tokenizer would split it alone. A
        # policy whose tokens hold whole fields would be made to spell them.
        self._grammar = llguidance.LLMatcher.grammar_from_lark(
            f'%llguidance {{"no_forcing": true}}\nstart: %json {json.dumps(schema)}'
        )

    def processor(self, batch_size: int) -> LogitsProcessor:
        """A mask for one batch of completions, from their first token on."""
        return _Mask([self._matcher(self._tokenizer, self._grammar) for _ in range(batch_size)])


class _Mask(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Takes away what the grammar does not allow next, row by row."""

    def __init__(self, matchers: list[Any]) -> None:
        self._matchers = matchers
        self._is_first = True

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """[B, V] scores, -inf where a token is not allowed; rows that have ended stay as they are."""
        if not self._is_first:
            for matcher, token in zip(self._matchers, input_ids[:, -1].tolist(), strict=True):
                if not matcher.is_stopped():
                    matcher.consume_token(token)
        self._is_first = False
        masked = scores.clone()
        for row, matcher in zip(masked, self._matchers, strict=True):
            if not matcher.is_stopped():
                bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
                allowed = np.unpackbits(bits, bitorder="little")[: len(row)].astype(bool)
                row[torch.from_numpy(~allowed).to(row.device)] = -torch.inf
        return masked
