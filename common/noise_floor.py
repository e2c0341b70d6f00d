"""The measured noise floor: how far scores move without a reason, kept in the user's cache folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from common.errors import UserError
from common.model import FrozenModel
from common.reward_config import ClapScorerConfig, RewardWeights
from common.user_cache import user_cache_file, write_user_cache

if TYPE_CHECKING:
    from pathlib import Path

    from common.objective import ObjectiveConfig

__all__ = [
    "NoiseFloor",
    "NoiseFloorKey",
    "noise_floor_for",
    "noise_floors_file",
    "read_noise_floors",
    "store_noise_floor",
]

Spread = Annotated[float, Field(ge=0)]


class NoiseFloorKey(FrozenModel):
    """What a measurement holds for: everything of an evaluation that moves a score but the vibes."""

    base_model: str
    scorer: ClapScorerConfig
    weights: RewardWeights
    audio_floor: float
    temperature: float
    max_completion_length: int

    @classmethod
    def of(cls, base_model: str, objective: ObjectiveConfig) -> NoiseFloorKey:
        """The key of one model's evaluation under an objective."""
        return cls(
            base_model=base_model,
            scorer=objective.scorer,
            weights=objective.weights,
            audio_floor=objective.audio_floor,
            temperature=objective.temperature,
            max_completion_length=objective.max_completion_length,
        )


class NoiseFloor(FrozenModel):
    """Standard deviations of scores that nothing but chance tells apart; in units of the score."""

    key: NoiseFloorKey
    scorer_id: str
    renderer_id: str
    num_vibes: int
    num_decoding_seeds: int
    num_render_seeds: int
    num_clips: int
    """Random configs that render seeds and numerics were measured on."""
    objective_decoding: Spread
    """Of the objective of one completion around the mean of its vibe, over decoding seeds; the render noise
    of what was written is part of it."""
    objective_vibes: Spread
    """Of the objective between vibes. Comparisons are paired by vibe, so it does not count in them."""
    audio_render: Spread
    """Of one config's audio score over render seeds."""
    audio_configs: Spread
    """Of the audio score between random configs, to compare the others with."""
    numerics_microbatch: Spread
    """Largest change of an audio score by another microbatch shape."""
    numerics_threads: Spread
    """Largest change of an audio score by another number of threads."""
    objective_seeds: Spread | None = None
    """Of a trained policy's objective between training seeds; None where no finished sweep was given."""


class _Store(FrozenModel):
    version: int = 1
    noise_floors: tuple[NoiseFloor, ...] = ()


def noise_floors_file() -> Path:
    """`vibesweep/noise-floors.json` in the user's cache folder."""
    return user_cache_file("noise-floors.json")


def noise_floor_for(key: NoiseFloorKey, known: tuple[NoiseFloor, ...]) -> NoiseFloor | None:
    """The measurement for a key; None where there is none."""
    return next((floor for floor in known if floor.key == key), None)


def read_noise_floors(path: Path) -> tuple[NoiseFloor, ...]:
    """The stored measurements; none where there is no file.

    Raises:
        UserError: the file holds something else.
    """
    try:
        return _Store.model_validate_json(path.read_text(encoding="utf-8")).noise_floors
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(
            f"{path} must hold this version's noise floors, got something else; delete it and run "
            "`vibesweep noise-floor` again"
        ) from error


def store_noise_floor(path: Path, new: NoiseFloor) -> None:
    """Add a measurement to the file, in place of an older one with its key.

    Raises:
        UserError: the file holds something else, or cannot be written.
    """
    kept = tuple(floor for floor in read_noise_floors(path) if floor.key != new.key)
    store = _Store(noise_floors=(*kept, new))
    write_user_cache(path, store.model_dump_json(indent=2) + "\n", what="noise floors")
