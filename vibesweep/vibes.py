"""`vibesweep vibes extract`: training vibes from raw texts, by any chat model."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from common.errors import UserError
from common.prompt_registry import render_prompt
from search_spaces import register_prompts_file
from vibesweep.options import existing_file, training_config
from vibesweep.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.training_config import TrainingConfig
    from trainables.vibe_extraction import ExtractionSettings, RawText
    from trainables.vibe_file import ExtractionRecord

__all__ = ["app"]

EXIT_FAILED: Final = 1
STDIN: Final = "-"

app = typer.Typer(help="Make vibes to train on.", no_args_is_help=True)


@app.callback()
def _vibes() -> None:
    pass


@app.command()
def extract(
    texts: Annotated[list[str], typer.Argument(help="Raw text files, UTF-8; - is the standard input.")],
    output: Annotated[Path, typer.Option(help="JSONL file of the vibes, one row for each text.")],
    model: Annotated[
        str | None, typer.Option(help="Chat model: a base model, folder, adapter or hub id.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Registered prompt; vibe_v1 by default.")] = None,
    prompts_file: Annotated[
        Path | None, typer.Option(help="YAML file or folder of your own prompts.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(help="JSON with TrainingConfig's structure: base_model, prompts, seed, infra."),
    ] = None,
    paragraphs: Annotated[
        bool, typer.Option("--paragraphs", help="A vibe of each paragraph; blank lines are between them.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the answers.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Answers to a text before it is given up.")] = 5,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of the sampling.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=4, help="Tokens after which an answer is cut off.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Texts that are asked about and kept together.")] = 8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the output holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> int:
    """Draw a vibe from each text, as rows that `train grpo` takes.

    An answer must be two to twelve plain words in lower case on one line. A broken one is asked for again
    with another seed. Texts without a vibe are listed at the end, and the exit code is 1. A text that does
    not fit the model's context is refused before anything is asked.

    The same command goes on after an interruption, and the same seed gives the same file.
    """
    register_prompts_file(prompts_file)
    config = training_config(
        config_file, None, {"base_model": model, "prompts.vibe_extraction": prompt, "seed": seed}
    )
    system_prompt = render_prompt(config.prompts.vibe_extraction)
    if output.suffix.lower() != ".jsonl" or not output.parent.is_dir():
        raise UserError(
            f"--output must end in .jsonl and lie in an existing folder, got {str(output)!r}; name another"
        )
    found = [pair for name in texts for pair in _texts_in(name, paragraphs=paragraphs)]
    # torch and transformers take seconds to import; the refusals above do not need them.
    from trainables.vibe_extraction import ExtractionSettings, raw_texts  # noqa: PLC0415

    settings = ExtractionSettings(
        model=config.base_model,
        prompt=config.prompts.vibe_extraction,
        seed=config.seed,
        attempts=attempts,
        temperature=temperature,
        max_tokens=max_tokens,
        batch_size=batch,
    )
    record = _extracted(config, settings, system_prompt, raw_texts(found), output, overwrite=overwrite)
    print(record.model_dump_json(indent=2) if as_json else _summary(record, output))
    for text in record.failed:
        print(
            f"failed: {text.source}: {text.attempts} answers gave no vibe; the last one is {text.reason}: "
            f"{text.answer[:80]!r}",
            file=sys.stderr,
        )
    return EXIT_FAILED if record.failed else 0


def _texts_in(name: str, *, paragraphs: bool) -> Iterator[tuple[str, str]]:
    """Source and text of a file, or of each paragraph in it.

    Raises:
        UserError: no such file, not UTF-8, or nothing in it.
    """
    source = "standard input" if name == STDIN else name
    try:
        content = sys.stdin.buffer.read() if name == STDIN else existing_file(Path(name), "TEXT").read_bytes()
        whole = content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UserError(f"{source} must be UTF-8 text: {error.reason} at byte {error.start}") from error
    if not whole:
        raise UserError(f"{source} must have a text, got none; leave it out")
    if not paragraphs:
        yield source, whole
        return
    for number, text in enumerate(re.split(r"\n\s*\n", whole), start=1):
        yield f"{source} paragraph {number}", text.strip()


def _extracted(
    config: TrainingConfig,
    settings: ExtractionSettings,
    system_prompt: str,
    texts: Sequence[RawText],
    output: Path,
    *,
    overwrite: bool,
) -> ExtractionRecord:
    """Ask about the texts that the file lacks, batch by batch."""
    from trainables.process import trial_process  # noqa: PLC0415
    from trainables.vibe_extraction import VibeExtractor  # noqa: PLC0415
    from trainables.vibe_file import ExtractionIdentity, VibeFile  # noqa: PLC0415

    with trial_process(config):
        extractor = VibeExtractor.load(settings, system_prompt)
        extractor.check_prompt()
        extractor.check_lengths(texts)
        identity = ExtractionIdentity.of(settings, extractor.form.prompt_hash, texts)
        file = VibeFile(output, identity, len(texts))
        with file.claimed(overwrite=overwrite):
            there = file.record.num_done
            if there:
                print(f"{there} of {len(texts)} texts are already done", file=sys.stderr)
            with progress(len(texts), "texts", done=there) as advance:
                try:
                    for start in range(there, len(texts), settings.batch_size):
                        some = texts[start : start + settings.batch_size]
                        file.add(extractor.extract(some))
                        advance(len(some))
                except KeyboardInterrupt:
                    kept = f"{file.record.num_done} of {len(texts)} texts are kept"
                    print(f"{kept}; the same command goes on", file=sys.stderr)
                    raise
    return file.record


def _summary(record: ExtractionRecord, output: Path) -> str:
    settings, broken = record.identity.settings, record.broken_answers
    counted = f" ({', '.join(f'{number} {rule}' for rule, number in broken.items())})" if broken else ""
    return (
        f"{output}: {record.num_vibes} vibes of {record.num_texts} texts; {sum(broken.values())} broken "
        f"answers{counted}; prompt {settings.prompt}, model {settings.model}"
    )
