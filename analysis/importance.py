"""Which settings matter: shares of the objective's variance, and of what tells the best from the rest.

Two of Optuna's evaluators, each answering a question of its own:

- fANOVA (Hutter et al. 2014): the share of the variance of the objective over the whole space that one
  setting explains by itself. What is missing to 1 are interactions, and noise that the forest has learned.
- PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255): how differently the best configurations are
  distributed over a setting's values than all of them; the shares sum to 1.

Both find an importance in noise, too. So each share has an interval, from outcomes as other vibes and seeds
would have given them, and beside it what chance reaches: the highest share of 19 shufflings of the
outcomes among the configurations. A share is told only where it is above that.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import optuna

    from analysis.intervals import Scores
    from analysis.outcomes import Outcomes

__all__ = [
    "MIN_CONFIGURATIONS",
    "Importances",
    "SettingImportance",
    "Share",
    "compute_importances",
    "fanova_shares",
    "share_of",
    "why_no_importances",
]

MIN_CONFIGURATIONS: Final = 8
"""For fANOVA: with fewer, shuffled outcomes are explained as well as true ones."""
MIN_CONFIGURATIONS_PED: Final = 12
"""For PED-ANOVA, whose authors advise at least five configurations among the best."""
_TOP: Final = 5
_TREES: Final = 16
"""A forest of 100 configurations and 12 settings takes most of a second, and there are 40 of them."""
_REDRAWN: Final = 20
_SHUFFLED: Final = 19
"""The highest of them is passed by a twentieth one, which is no different, 1 time in 20."""


class Share(NamedTuple):
    """A share of an importance, with its uncertainty."""

    value: float
    low: float
    """2.5 % quantile over outcomes that other vibes and seeds would have given."""
    high: float
    """97.5 % quantile."""
    by_chance: float
    """The highest of 19 shufflings of the outcomes: what is passed without any effect one time in twenty."""

    @property
    def is_told(self) -> bool:
        """Whether it is more than chance gives."""
        return self.value > self.by_chance


@dataclass(frozen=True)
class SettingImportance:
    """How much one setting matters."""

    path: str
    fanova: Share
    ped_anova: Share | None
    """None where there are too few configurations for it."""


@dataclass(frozen=True)
class Importances:
    """Of every setting that varied, the most important first."""

    settings: tuple[SettingImportance, ...]
    num_configurations: int
    noise_share: float
    """Share of the variance between the configurations' means that noise alone explains: the noise floor of
    all importances."""
    not_told: str | None = None
    """Why there are none."""


def why_no_importances(outcomes: Outcomes) -> str | None:
    """Why it cannot be told which settings matter; None where it can."""
    count = len(outcomes.labels)
    if not outcomes.settings:
        return "no setting varied between the configurations"
    if count < MIN_CONFIGURATIONS:
        return (
            f"importance takes at least {MIN_CONFIGURATIONS} configurations, got {count}; with fewer, chance "
            "looks as important as a setting"
        )
    if np.ptp(outcomes.means) == 0:
        return "all configurations have the same objective"
    return None


def compute_importances(outcomes: Outcomes) -> Importances:
    """How much each setting that varied matters; reproducible, its draws are seeded.

    Returns:
        No settings and a reason where the configurations are too few, or none of their settings varied.
    """
    count = len(outcomes.labels)
    noise = outcomes.noise_share
    if reason := why_no_importances(outcomes):
        return Importances((), count, noise, reason)
    fanova = share_of(outcomes, lambda means: fanova_shares(outcomes, means))
    ped = None
    if count >= MIN_CONFIGURATIONS_PED:
        ped = share_of(outcomes, lambda means: ped_anova_shares(outcomes, means))
    found = [
        SettingImportance(setting.path, fanova[i], ped[i] if ped else None)
        for i, setting in enumerate(outcomes.settings)
    ]
    found.sort(key=lambda one: -one.fanova.value)
    return Importances(tuple(found), count, noise)


def share_of(
    outcomes: Outcomes, evaluate: Callable[[Scores], Scores], parts: tuple[Scores, Scores] | None = None
) -> list[Share]:
    """Shares with their uncertainty.

    Args:
        outcomes: the configurations.
        evaluate: [K] outcomes to [N] shares.
        parts: [K] what of the outcomes stays where it is, and [K] what is shuffled: chance is what they give
            together. All is shuffled where not given.
    """
    kept, left = parts or (np.zeros(len(outcomes.labels)), outcomes.means)
    rng = np.random.default_rng(0)
    redrawn = np.stack([evaluate(means) for means in outcomes.redrawn(rng, _REDRAWN)])
    shuffled = np.stack([evaluate(kept + rng.permutation(left)) for _ in range(_SHUFFLED)])
    low, high = np.quantile(redrawn, [0.025, 0.975], axis=0)
    found = evaluate(outcomes.means)
    # Outcomes that are drawn again are noisier, and small shares larger in them.
    columns = (found, np.minimum(low, found), np.maximum(high, found), shuffled.max(0))
    return [Share(*map(float, values)) for values in zip(*columns, strict=True)]


def fanova_shares(outcomes: Outcomes, means: Scores) -> Scores:
    """[N] share of the variance of some outcomes, [K], that each setting explains by itself."""
    import optuna  # noqa: PLC0415 - half a second

    return _evaluate(outcomes, means, optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=0))


def ped_anova_shares(outcomes: Outcomes, means: Scores) -> Scores:
    """[N] importance of each setting for being among the best; they sum to 1."""
    import optuna  # noqa: PLC0415 - half a second

    top = min(0.5, max(0.1, _TOP / len(means)))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=top)
    shares = _evaluate(outcomes, means, evaluator)
    return shares / shares.sum() if shares.sum() > 0 else shares


def _evaluate(
    outcomes: Outcomes, means: Scores, evaluator: optuna.importance.BaseImportanceEvaluator
) -> Scores:
    """[N] what one of Optuna's evaluators says of a study that holds these outcomes."""
    import optuna  # noqa: PLC0415 - half a second

    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        setting.path: optuna.distributions.FloatDistribution(setting.encoded.min(), setting.encoded.max())
        if setting.is_number
        else optuna.distributions.CategoricalDistribution(tuple(range(len(setting.levels))))
        for setting in outcomes.settings
    }
    trials = [
        optuna.trial.create_trial(
            params={
                setting.path: (float if setting.is_number else int)(setting.encoded[k])
                for setting in outcomes.settings
            },
            distributions=distributions,
            value=float(mean),
        )
        for k, mean in enumerate(means)
    ]
    with _without_notices():
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction="maximize")
        study.add_trials(trials)
        shares = evaluator.evaluate(study)
    return np.array([shares[setting.path] for setting in outcomes.settings])


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep Optuna from announcing every study on stderr."""
    import optuna  # noqa: PLC0415 - half a second

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
