"""Which texts are alike: TF-IDF over character n-grams, compared with scikit-learn's definition by hand."""

from __future__ import annotations

import math

import pytest

from trainables.retrieval import nearest_texts

TEXTS = ["late night neon glow", "rain on the window", "a cathedral at midnight", "late night rain"]


def test_a_text_is_nearest_to_itself_and_spelling_counts_for_little() -> None:
    assert nearest_texts(TEXTS, TEXTS) == [0, 1, 2, 3]
    assert nearest_texts(["LATE nihgt neon glowing", "rainy windows", "cathedrals"], TEXTS) == [0, 1, 2]


def test_what_is_rare_in_the_texts_counts_for_more() -> None:
    # One word in common with each of the first two: three texts have "night", one has "foggy".
    texts = ["night walk", "foggy walk", "night owl", "night cap"]
    assert nearest_texts(["foggy night"], texts) == [1]
    # n-grams of " owl ": 3 + 2 + 1; of " night ": 5 + 4 + 3, three times as frequent. With the weights
    # ln(5 / 2) + 1 = 1.92 and ln(5 / 4) + 1 = 1.22 the text shares its norm between the two words.
    own, common = 6 * (math.log(5 / 2) + 1) ** 2, 12 * (math.log(5 / 4) + 1) ** 2
    assert own > common
    assert nearest_texts(["owl night night"], ["night cap", "night owl"]) == [1]


def test_what_has_nothing_in_common_gets_the_first() -> None:
    assert nearest_texts(["zzz", ""], TEXTS) == [0, 0]


def test_no_query_depends_on_the_others() -> None:
    queries = [f"{text} {number}" for number in range(100) for text in TEXTS]
    assert nearest_texts(queries, TEXTS) == [nearest_texts([query], TEXTS)[0] for query in queries]


def test_without_texts_there_is_nothing_to_find() -> None:
    with pytest.raises(ValueError, match="texts must have at least one, got none"):
        nearest_texts(["rain"], [])
