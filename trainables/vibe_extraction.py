"""From raw texts to vibes: a chat model is asked for each, and asked again where its answer is none."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import torch
from pydantic import Field

from common.errors import ProblemsError, UserError
from common.model import FrozenModel
from trainables.chat import PromptFormat
from trainables.policy import Policy, load_policy
from trainables.sampling import sample_completions, stream_seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Extraction",
    "ExtractionSettings",
    "RawText",
    "VibeExtractor",
    "broken_rule",
    "raw_texts",
]

_CUT_OFF: Final = "cut off"
_NOT_PLAIN: Final = frozenset('"“”„«»`{}[]<>()|*#_=:\\\N{REPLACEMENT CHARACTER}')
_SINGLE_QUOTES: Final = "'\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
_FEWEST_WORDS: Final = 2
_MOST_WORDS: Final = 12


class RawText(NamedTuple):
    """One text that a vibe is drawn from."""

    source: str
    """Where it comes from, for rows and messages."""
    text: str
    text_id: str
    """12 hex digits of the text's SHA-256, `-2` and so on after a repeated one: names its decoding noise."""

    @property
    def sha256(self) -> str:
        """Of the text, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class ExtractionSettings(FrozenModel):
    """What decides the vibes, beside the texts and the prompt's wording."""

    model: str
    """What `load_policy` takes."""
    prompt: str
    """Name of the registered prompt."""
    seed: Annotated[int, Field(ge=0)]
    attempts: Annotated[int, Field(ge=1)]
    """Answers to a text after which it is given up."""
    temperature: Annotated[float, Field(gt=0)]
    max_tokens: Annotated[int, Field(ge=1)]
    """Tokens after which an answer is cut off."""
    batch_size: Annotated[int, Field(ge=1)]
    """Texts that are asked about together."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What became of one text."""

    text: RawText
    vibe: str | None
    """None where no answer was a vibe."""
    broken: tuple[str, ...]
    """What was wrong with each answer before the vibe, such as `not in lower case`."""
    answer: str
    """The last answer."""

    @property
    def attempts(self) -> int:
        """Answers that it took."""
        return len(self.broken) + (self.vibe is not None)


def raw_texts(found: Iterable[tuple[str, str]]) -> list[RawText]:
    """The texts with their ids, from pairs of source and text."""
    seen: Counter[str] = Counter()
    texts = []
    for source, text in found:
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        seen[digest] += 1
        texts.append(RawText(source, text, f"{digest}-{seen[digest]}" if seen[digest] > 1 else digest))
    return texts


def broken_rule(answer: str) -> str | None:
    """What is wrong with an answer as a vibe, after `it is `; None for a vibe.

    A vibe is one line of two to twelve words in lower case, without quotation marks, brackets, colons or
    markup: what `vibe_v1` asks for, and what the policy is trained to read.

    >>> broken_rule("slow rain on an empty harbour")
    >>> broken_rule("Here is the vibe: calm")
    'not plain words'
    """
    if not answer:
        return "empty"
    if len(answer.splitlines()) > 1:
        return "more than one line"
    is_quoted = answer.strip(_SINGLE_QUOTES) != answer  # inside, it is an apostrophe
    if is_quoted or not answer.isprintable() or not _NOT_PLAIN.isdisjoint(answer):
        return "not plain words"
    if answer != answer.lower():
        return "not in lower case"
    if not _FEWEST_WORDS <= len(answer.split()) <= _MOST_WORDS:
        return f"not of {_FEWEST_WORDS} to {_MOST_WORDS} words"
    return None


@dataclass(frozen=True)
class VibeExtractor:
    """Asks one chat model with one prompt."""

    policy: Policy
    form: PromptFormat
    settings: ExtractionSettings

    @classmethod
    def load(cls, settings: ExtractionSettings, system_prompt: str) -> VibeExtractor:
        """Load the model, on the GPU where there is one.

        Args:
            settings: its `model` may be all that a policy may be, an adapter folder too.
            system_prompt: the prompt's text.

        Raises:
            UserError: there is no such model.
        """
        policy = load_policy(settings.model)
        if torch.cuda.is_available():
            policy.model.to("cuda")
        return cls(policy, PromptFormat.of(policy.tokenizer, system_prompt), settings)

    def check_prompt(self) -> None:
        """Refuse a model that is not told what to do.

        Raises:
            UserError: its chat template drops the prompt.
        """
        if not self.form.reads_system_prompt:
            raise UserError(
                "--model must be a chat model that reads its system prompt, got "
                f"{self.settings.model!r}, whose chat template drops {self.settings.prompt}; name another, "
                "such as gemma3-270m"
            )

    def check_lengths(self, texts: Sequence[RawText]) -> None:
        """Refuse texts that the model cannot read whole.

        Raises:
            ProblemsError: each of them.
        """
        config: Any = self.policy.model.config.get_text_config()
        context = getattr(config, "max_position_embeddings", None)
        if context is None:
            return
        answer = self.settings.max_tokens
        problems = [
            f"{text.source} must fit the model's context of {context} tokens with its prompt and an answer, "
            f"got {length} + {answer} tokens; make it shorter, or add --paragraphs for a vibe of each"
            for text in texts
            if (length := len(self.form.token_ids(text.text))) + answer > context
        ]
        if problems:
            raise ProblemsError(problems)

    def extract(self, texts: Sequence[RawText]) -> list[Extraction]:
        """The vibes of one batch of texts; each broken answer is replaced by one with another seed.

        Answers depend on the settings and the batch alone, by its padding by 1e-7 of a logit.
        """
        broken: dict[str, tuple[str, ...]] = {text.text_id: () for text in texts}
        answers: dict[str, str] = {}
        waiting = list(texts)
        for attempt in range(self.settings.attempts):
            again = []
            for text, (answer, rule) in zip(waiting, self._answers(waiting, attempt), strict=True):
                answers[text.text_id] = answer
                if rule is not None:
                    broken[text.text_id] += (rule,)
                    again.append(text)
            waiting = again
            if not waiting:
                break
        given_up = {text.text_id for text in waiting}
        return [
            Extraction(
                text=text,
                vibe=None if text.text_id in given_up else answers[text.text_id],
                broken=broken[text.text_id],
                answer=answers[text.text_id],
            )
            for text in texts
        ]

    def _answers(self, texts: Sequence[RawText], attempt: int) -> list[tuple[str, str | None]]:
        """One answer to each text, and what is wrong with it."""
        settings = self.settings
        sampled = sample_completions(
            self.policy,
            [self.form.token_ids(text.text) for text in texts],
            [stream_seed(settings.seed, text.text_id, attempt) for text in texts],
            temperature=settings.temperature,
            max_completion_length=settings.max_tokens,
            batch_size=settings.batch_size,
        )
        answers = [(drawn.text.strip(), drawn.num_tokens) for drawn in sampled]
        # An answer whose last possible token is its end is not told from one that was cut off.
        return [
            (answer, _CUT_OFF if length >= settings.max_tokens else broken_rule(answer))
            for answer, length in answers
        ]
