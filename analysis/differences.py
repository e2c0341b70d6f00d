"""The paired difference of a configuration to the untrained policy, and what it consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analysis.evaluations import CellMeans, objective_cells

if TYPE_CHECKING:
    from analysis.intervals import Scores
    from common.objective import ObjectiveConfig

__all__ = ["DifferenceParts", "PairedDifference", "paired_difference"]


class DifferenceParts(NamedTuple):
    """What a paired difference consists of, per seed and vibe; arrays are [S, V]."""

    validity: Scores
    """Part of the objective that comes from keeping the contract: format, schema, what can be rendered."""
    audio: Scores
    """Part of the objective that comes from the sound of the rendered configs."""
    audio_over_valid: Scores
    """Difference of the mean audio component of rendered completions, not weighted."""


class PairedDifference(NamedTuple):
    """Trial minus reference, per seed and vibe."""

    total: Scores
    """[S, V] difference of the objective."""
    parts: DifferenceParts | None
    """None where one side rendered nothing, so that there is no sound to compare."""


def paired_difference(trial: CellMeans, reference: CellMeans, objective: ObjectiveConfig) -> PairedDifference:
    """Split the difference to a reference into validity and audio, exactly.

    With r the share of rendered completions, a the mean audio component of those, f the floor, D a
    difference (trial minus reference) and a bar the mid-point of both, the mean objective differs by

        D objective = [w_format D format + w_schema D schema + w_audio (abar - f) Dr]   validity
                    + [w_audio rbar Da]                                                 audio

    since the audio component of all completions is f + r (a - f), and D(xy) = xbar Dy + ybar Dx.

    a is a ratio of means. For intervals each part is given as one value per seed and vibe whose mean is
    exactly the part, by linearizing the ratio: (audio - a rendered) / r is what a cell adds to a
    (Cochran 1977, "Sampling Techniques", chapter 6). The two parts add up to the total in every cell.

    Args:
        trial: [S, V] cells of the configuration.
        reference: [S, V] cells of the reference on the same vibes and samples.
        objective: weights and floor.
    """
    total = objective_cells(trial, objective) - objective_cells(reference, objective)
    a_trial, a_reference = trial.audio_over_rendered, reference.audio_over_rendered
    if a_trial is None or a_reference is None:
        return PairedDifference(total, None)
    r_trial, r_reference = trial.rendered.mean(), reference.rendered.mean()
    r_mid, a_difference = (r_trial + r_reference) / 2, a_trial - a_reference
    # What each cell adds to a of the trial, to a of the reference, and to rbar; means are all zero.
    of_a_trial = (trial.rendered_audio - a_trial * trial.rendered) / r_trial
    of_a_reference = (reference.rendered_audio - a_reference * reference.rendered) / r_reference
    of_r_mid = (trial.rendered + reference.rendered) / 2 - r_mid
    audio_over_valid = a_difference + of_a_trial - of_a_reference
    audio = objective.weights.audio_weight * (r_mid * audio_over_valid + of_r_mid * a_difference)
    return PairedDifference(total, DifferenceParts(total - audio, audio, audio_over_valid))
