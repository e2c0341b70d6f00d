"""The JSONL file of extracted vibes: it grows batch by batch, and an interrupted extraction goes on with it.

Beside it lies a record of what it was made with, how far it is, and which texts gave no vibe.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal

from pydantic import Field, ValidationError

from common.errors import UserError
from common.model import FrozenModel
from common.records import write_text_atomically
from trainables.vibe_extraction import ExtractionSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainables.vibe_extraction import Extraction, RawText

__all__ = ["ExtractionIdentity", "ExtractionRecord", "FailedText", "VibeFile"]


class ExtractionIdentity(FrozenModel):
    """What decides a file's rows; two that differ have no row in common."""

    settings: ExtractionSettings
    prompt_hash: str
    """`PromptFormat.prompt_hash` of the model and the prompt."""
    texts_sha256: str
    """Of all sources and texts, in order."""

    @classmethod
    def of(
        cls, settings: ExtractionSettings, prompt_hash: str, texts: Sequence[RawText]
    ) -> ExtractionIdentity:
        """The identity of these settings and texts."""
        content = json.dumps([[text.source, text.text] for text in texts])
        digest = hashlib.sha256(content.encode()).hexdigest()
        return cls(settings=settings, prompt_hash=prompt_hash, texts_sha256=digest)


class FailedText(FrozenModel):
    """A text that gave no vibe."""

    source: str
    attempts: int
    reason: str
    """What is wrong with the last answer, after `it is `."""
    answer: str
    """The last answer."""


class ExtractionRecord(FrozenModel):
    """How far an extraction is; what `vibes extract --json` prints."""

    format: Literal["1"] = "1"
    """Version of this file's layout."""
    identity: ExtractionIdentity
    num_texts: int
    num_done: int = 0
    """Texts that have a vibe or were given up, from the first on."""
    num_vibes: int = 0
    broken_answers: dict[str, int] = Field(default_factory=dict)
    """What was wrong with an answer to the number of such answers; those to failed texts are among them."""
    failed: tuple[FailedText, ...] = ()
    num_bytes: int = 0
    """Length of the file after the last whole batch."""
    sha256: str = hashlib.sha256().hexdigest()
    """Of these bytes."""


class VibeFile:
    """The file and its record."""

    def __init__(self, path: Path, identity: ExtractionIdentity, num_texts: int) -> None:
        """
        Args:
            path: `….jsonl`, in a folder that exists.
            identity: what its rows are of.
            num_texts: how many there will be.
        """
        self.path = path
        self.record = ExtractionRecord(identity=identity, num_texts=num_texts)
        self._record_path = path.with_suffix(".extraction.json")
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    @contextmanager
    def claimed(self, *, overwrite: bool) -> Iterator[None]:
        """Hold the file for this process, with what is already in it.

        Args:
            overwrite: begin anew, whatever is there.

        Raises:
            UserError: it holds something else, was changed, is held by another process or cannot be written.
        """
        try:
            file = self.path.open("a+b")
        except OSError as error:
            raise self._error(f"must be writable: {error.strerror}", "name another") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._error("must be written by one command at a time", "wait for the first") from error
            if overwrite:
                file.truncate(0)
                self._record_path.unlink(missing_ok=True)
            self._take_up(file)
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def add(self, extractions: Sequence[Extraction]) -> None:
        """Write a batch: first its rows, then that they are there."""
        file, before = self._file, self.record
        assert file is not None, "the file must be claimed"
        rows = b"".join(self._row(done) for done in extractions if done.vibe is not None)
        file.write(rows)
        file.flush()
        os.fsync(file.fileno())
        self._digest.update(rows)
        broken = Counter(before.broken_answers) + Counter(
            rule for done in extractions for rule in done.broken
        )
        failed = tuple(
            FailedText(
                source=done.text.source, attempts=done.attempts, reason=done.broken[-1], answer=done.answer
            )
            for done in extractions
            if done.vibe is None
        )
        self.record = ExtractionRecord(
            identity=before.identity,
            num_texts=before.num_texts,
            num_done=before.num_done + len(extractions),
            num_vibes=before.num_vibes + len(extractions) - len(failed),
            broken_answers=dict(broken.most_common()),
            failed=before.failed + failed,
            num_bytes=before.num_bytes + len(rows),
            sha256=self._digest.hexdigest(),
        )
        write_text_atomically(self._record_path, self.record.model_dump_json(indent=2) + "\n")

    def _row(self, done: Extraction) -> bytes:
        identity = self.record.identity
        row = {
            "vibe_noisy": done.vibe,
            "vibe_original": done.vibe,
            "source": done.text.source,
            "text_sha256": done.text.sha256,
            "prompt": identity.settings.prompt,
            "prompt_hash": identity.prompt_hash,
            "model": identity.settings.model,
            "seed": identity.settings.seed,
            "attempts": done.attempts,
        }
        return (json.dumps(row, ensure_ascii=False) + "\n").encode()

    def _take_up(self, file: BinaryIO) -> None:
        """Go on after the last whole batch; rows behind it are of one that was not finished."""
        file.seek(0)
        if self._record_path.is_file():
            self.record = self._same_record()
        elif file.read(1):
            raise self._error("must be new or of this command", "name another, or add --overwrite")
        file.seek(0)
        whole = file.read(self.record.num_bytes)
        self._digest = hashlib.sha256(whole)
        if self._digest.hexdigest() != self.record.sha256:
            raise self._error("must be as it was written", "name another, or add --overwrite")
        file.truncate(self.record.num_bytes)

    def _same_record(self) -> ExtractionRecord:
        try:
            found = ExtractionRecord.model_validate_json(self._record_path.read_bytes())
        except ValidationError as error:
            raise UserError(
                f"{self._record_path} must be the record of an extraction, got another file; name another "
                "--output, or add --overwrite"
            ) from error
        if found.identity == self.record.identity:
            return found
        was, now = (
            record.identity.settings.model_dump() | record.identity.model_dump(exclude={"settings"})
            for record in (found, self.record)
        )
        differing = ", ".join(
            f"{name} {was[name]}, not {now[name]}" for name in was if was[name] != now[name]
        )
        raise self._error(
            f"must be of the same settings and texts, it has {differing}", "name another, or add --overwrite"
        )

    def _error(self, rule: str, cure: str) -> UserError:
        return UserError(f"--output {rule}, got {str(self.path)!r}; {cure}")
