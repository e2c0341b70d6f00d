"""The tiny policy's tokenizer: byte-level BPE of 2,048 tokens in which one decision is one token.

A payload's scaffold, each of its config fields with its label (`"tempo":"slow",`) and each palette colour is
one token. So a payload is about 70 tokens instead of 400, generation on a CPU is that much faster, and nearly
every token that GRPO rewards or punishes is a musical decision.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from common.music_schema import CONFIG_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CHAT_TEMPLATE", "MAX_LENGTH", "SPECIAL_TOKENS", "VOCAB_SIZE", "train_tokenizer"]

VOCAB_SIZE: Final = 2048
MAX_LENGTH: Final = 8192
"""Positions of the policy; the guide's 4,096 fit twice."""

SPECIAL_TOKENS: Final = ("<pad>", "<eos>", "<bos>", "<vibe>", "<config>")
"""Ids 0 to 4: padding, end of the payload, start, and the two turns."""

CHAT_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<vibe>' + message['content'] | trim }}"
    "{% elif message['role'] == 'assistant' %}{{ '<config>' + message['content'] | trim + eos_token }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<config>' }}{% endif %}"
)
"""Renders the vibe alone: a system prompt carries the whole schema, thousands of tokens, of which a 2 M model
makes nothing, so every config of the guide runs on the tiny policy unchanged."""

_CONTRACT: Final = "|".join(
    (
        r'\{"hex":"#\w{6}","weight":"\w+"\}[\]},]*',  # one colour, and what closes after it
        r'"(?!title")\w+":(?:"[\w#]+"|\w+)\}?,',  # one config field and its label
        r'(?:",|\{)?"\w+":["\[{]',  # the scaffold: `","title":"`, `"palettes":[`
    )
)
_WORDS: Final = r" ?[\p{L}']+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Make the tokenizer from the corpus's text.

    The pieces of the contract become whole tokens without the merges that would lead to them
    (`ignore_merges`, as in Llama 3): those merges would use up half of the vocabulary. The other tokens are
    byte-level BPE, learned from the words. Any text makes the round trip unchanged.

    Args:
        texts: vibes and payloads.

    Raises:
        ValueError: too little text to fill the vocabulary, or too many pieces.
    """
    splitter = pre_tokenizers.Split(Regex(f"{_CONTRACT}|{_WORDS}"), behavior="isolated")
    pieces = Counter(piece for text in texts for piece, _ in splitter.pre_tokenize_str(text))
    contract = {piece for piece in pieces if '":' in piece}
    contract |= {f'"{name}":{json.dumps(label)},' for name in CONFIG_LABELS for label in CONFIG_LABELS[name]}

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = byte_level
    words.train_from_iterator(
        (piece for piece, count in pieces.items() if piece not in contract for _ in range(count)),
        trainers.BpeTrainer(
            vocab_size=VOCAB_SIZE - len(contract),
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=byte_level.alphabet(),
            show_progress=False,
        ),
    )
    learned = json.loads(words.to_str())["model"]
    vocab = dict(learned["vocab"])
    vocab |= {piece: len(vocab) + index for index, piece in enumerate(sorted(contract))}
    if not len(vocab) == VOCAB_SIZE:
        raise ValueError(f"the vocabulary must have {VOCAB_SIZE} tokens, got {len(vocab)}; give more text")

    merges = [(left, right) for left, right in learned["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    pad, eos, bos, *turns = SPECIAL_TOKENS
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        eos_token=eos,
        bos_token=bos,
        additional_special_tokens=turns,
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
