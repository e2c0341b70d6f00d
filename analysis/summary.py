"""A ranking in words: what was best, by how much, how sure, and what to mind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from common.reward_config import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.comparisons import Difference
    from analysis.detection import Lead, SweepDetection
    from analysis.intervals import Interval
    from analysis.ranking import RankedRow, Ranking

__all__ = [
    "objective_formula",
    "plus_minus",
    "short_label",
    "short_name",
    "short_setting",
    "summary",
    "warnings",
]


def objective_formula(ranking: Ranking) -> str:
    """The objective as text, such as `0.2 format + 0.3 schema + 0.5 audio`."""
    weighted = zip(ranking.objective.weights.as_tuple(), COMPONENTS, strict=True)
    return " + ".join(f"{weight:g} {component}" for weight, component in weighted if weight > 0)


def plus_minus(interval: Interval, *, signed: bool = False) -> str:
    """An interval as text, such as `0.412 ±0.032`."""
    return f"{interval.mean:{'+' if signed else ''}.3f} ±{interval.half_width:.3f}"


def short_name(row: RankedRow) -> str:
    """The row's label with each setting by its last name, where that is clear: `beta=0.02, lora.r=8`.

    A configuration that changed while it trained is marked: the values are those it began with.
    """
    name = _shortened(row.label, list(row.params))
    return f"{name} (changed while training {_times(len(row.changes))})" if row.changes else name


def short_label(label: str) -> str:
    """A label as `short_name` has it, from the label alone."""
    return _shortened(label, re.findall(r"([\w.]+)=", label))


def short_setting(path: str) -> str:
    """A setting by its last name, where that says enough: `learning_rate`, but `lora.r`."""
    last = path.rpartition(".")[2]
    return last if len(last) > 2 else path


def _shortened(label: str, paths: list[str]) -> str:
    lasts = [path.rpartition(".")[2] for path in paths]
    for path, last in zip(paths, lasts, strict=True):
        if len(last) > 2 and lasts.count(last) == 1:
            label = label.replace(f"{path}=", f"{last}=")
    return label


def summary(ranking: Ranking) -> list[str]:
    """What the ranking says, a sentence each."""
    if not ranking.configurations:
        return ["No configuration has a finished trial, so there is nothing to rank yet."]
    best, *others = ranking.configurations
    head = "No configuration is feasible (see below). Highest" if best.infeasible else "Best configuration"
    sentences = [
        f"{head}: {short_name(best)}, with objective {plus_minus(best.objective)} "
        f"over {_count(len(best.seeds), 'seed')} and {_count(best.num_vibes, 'held-out vibe')}."
    ]
    sentences += _below_baselines(best, ranking)
    if best.prospect and (num := sum(row.prospect is not None for row in ranking.configurations)) > 1:
        sentences.append(
            f"It is the best of {num} with probability {best.prospect.probability:.2f}; corrected for having "
            f"been picked, {best.prospect.expected:.3f} is to be expected of it again."
        )
        sentences += _likelier(best, others)
    if best.difference:
        sentences += _against_untrained(best.difference, ranking.num_compared)
    tied = [short_name(row) for row in others if row.tied_with_best]
    if tied:
        # A name has commas of its own.
        named = "; ".join(tied[:3]) + (f"; and {len(tied) - 3} more" if len(tied) > 3 else "")
        sentences.append(f"Cannot be told from the best (≈): {named}. More seeds or vibes would tell.")
    elif peers := [row for row in others if bool(row.infeasible) == bool(best.infeasible)]:
        feasible = "feasible " if len(peers) < len(others) else ""
        sentences.append(f"It is better than every other {feasible}configuration by more than noise.")
    if ranking.detection:
        sentences += _detection(ranking.detection, best.difference)
    return sentences


def _below_baselines(best: RankedRow, ranking: Ranking) -> list[str]:
    """That baselines have a higher objective, where some have: what was searched for is not found."""
    above = [row for row in ranking.rows if row.kind == "baseline" and row.rank < best.rank]
    # An infeasible configuration stands below all others, whatever its objective is.
    better = [
        f"{short_name(row)} ({row.objective.mean:.3f})"
        for row in above
        if row.objective.mean > best.objective.mean
    ]
    if not better:
        return []
    *firsts, last = better
    named = f"{', '.join(firsts)} and {last}" if firsts else last
    return [f"{'Baselines have' if firsts else 'A baseline has'} a higher objective than that: {named}."]


def _likelier(best: RankedRow, others: Sequence[RankedRow]) -> list[str]:
    """Who is the best with a higher probability than the one with the highest mean."""
    rated = [(row.prospect.probability, row) for row in (best, *others) if row.prospect]
    probability, row = max(rated, key=lambda one: one[0])
    if row is best:
        return []
    closer = row.objective.half_width < best.objective.half_width
    why = ": its mean is known more closely" if closer else ""
    return [f"Likelier to be the best, with probability {probability:.2f}, is {short_name(row)}{why}."]


def _detection(found: SweepDetection, difference: Difference | None) -> list[str]:
    """How small a difference the sweep could find, and whether the best one's lead is smaller."""
    counts = [_count(found.seeds, "seed"), _count(found.vibes, "vibe")]
    if found.num_compared > 1:
        counts.append(f"the best of {found.num_compared}")
    noise = "its own seeds" if found.source == "ledger" else "the kept noise floor"
    missing = "" if found.covers_seeds else "; training seeds were not measured, and make that size larger"
    sentences = [
        f"A true difference of {found.difference:.3f} between two configurations is found 4 times in 5, a "
        f"smaller one less often ({', '.join(counts)}; noise from {noise}){missing}."
    ]
    if lead := found.over_runner_up:
        sentences.append(f"The lead over the runner-up is {lead.lead:.3f}, {_size(lead)}.")
    if (lead := found.over_untrained) and difference:
        sentences.append(
            f"Against the {_start(difference)} that size is {lead.detectable:.3f}; the best one's gain is "
            f"{_size(lead)}."
        )
    return sentences


def _size(lead: Lead) -> str:
    if lead.is_below:
        return "smaller than that: a true one so small is missed more than 1 time in 5"
    return "not smaller than that"


def _start(difference: Difference) -> str:
    return "SFT policy" if difference.start == "sft_policy" else "untrained policy"


def _against_untrained(difference: Difference, num_compared: int) -> list[str]:
    total = difference.total
    corrected = f", corrected for picking the best of {num_compared}" if num_compared > 1 else ""
    verdict = "more than noise" if total.excludes_zero else "which noise could explain"
    sentences = [
        f"Against the {_start(difference)}, paired by vibe: {total.mean:+.3f} (95 % interval "
        f"{total.low:+.3f} to {total.high:+.3f}{corrected}), {verdict}."
    ]
    if difference.validity and difference.audio and difference.audio_over_valid:
        over_valid = difference.audio_over_valid
        verdict = "more than noise" if over_valid.excludes_zero else "which noise could explain"
        kept = "worse" if difference.validity.mean < 0 else "better"
        sentences.append(
            f"Of that, {plus_minus(difference.validity, signed=True)} comes from keeping the contract "
            f"{kept}, and {plus_minus(difference.audio, signed=True)} from how the configs sound: audio "
            "over the completions that can be rendered moved by "
            f"{plus_minus(over_valid, signed=True)}, {verdict}."
        )
    else:
        sentences.append(
            "What part of that is sound cannot be told: one of the two wrote no config that can be rendered."
        )
    return sentences


def warnings(ranking: Ranking) -> list[str]:
    """What to know before trusting the numbers, a sentence each."""
    configurations, found = ranking.configurations, []
    if configurations and not ranking.covers_seeds:
        found.append(
            "One seed per configuration: the intervals say what other vibes would give, not what another "
            "training seed would. List more `seeds` in the sweep file."
        )
    if ranking.noise_can_be_measured:
        found.append(
            "How small a difference this sweep could find is not known: measure its noise with `vibesweep "
            "noise-floor FILE`."
        )
    found += [
        f"Infeasible, and ranked below the others: {short_name(row)}, because {'; '.join(row.infeasible)}."
        for row in configurations
        if row.infeasible
    ]
    if len(ranking.scorers) > 1:
        found.append(f"Scores of different scorers cannot be compared: {'; '.join(ranking.scorers)}.")
    if changed := sum(bool(row.changes) for row in configurations):
        found.append(
            f"{_count(changed, 'configuration')} changed while training, and stand under the values they "
            "began with: `vibesweep rank --json` has what they went on with."
        )
    if alone := len(configurations) - ranking.num_compared:
        found.append(f"No untrained policy to compare {_count(alone, 'configuration')} with.")
    if ranking.num_stopped:
        found.append(
            f"Not ranked: the configurations of {_count(ranking.num_stopped, 'trial')} that the scheduler "
            "stopped early."
        )
    found += [f"Not ranked: {entry.label} ({entry.reason})." for entry in ranking.unranked]
    left_out = {
        "failed seed": sum(row.num_failed for row in ranking.rows),
        "unfinished trial": ranking.num_running,
        "unscored completion": sum(row.unscored for row in ranking.rows),
        "torn file": ranking.num_torn_files,
    }
    if counts := [_count(number, noun) for noun, number in left_out.items() if number]:
        found.append(f"Left out: {', '.join(counts)}.")
    if ranking.unscored_reasons:
        (reason, count), *others = ranking.unscored_reasons
        more = f", and {_count(len(others), 'other reason')}" if others else ""
        total = sum(number for _, number in ranking.unscored_reasons)
        found.append(
            f"Without a score, rollouts included: {_count(total, 'completion')}; {count} of them because: "
            f"{reason}{more}."
        )
    return found


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
