"""Which texts are alike, by the letters they share: how the retrieval baseline finds its config.

TF-IDF over character n-grams, compared by cosine. Not the scorer's own text embedding, by which one would
usually retrieve: what retrieves by the measure that it is then judged by has seen the exam. Letters know
nothing of meaning, so this is a modest baseline, and one that no scorer can favour.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["nearest_texts"]

_LENGTHS: Final = (3, 4, 5)
"""Of the n-grams, within words that have a blank on either side: "rain" and "rainy" are nearly alike."""
_BLOCK: Final = 256
"""Queries compared at once, so that memory grows with the texts alone."""


def nearest_texts(queries: Sequence[str], texts: Sequence[str]) -> list[int]:
    """The place of the nearest text for each query; of equally near ones the first.

    Term weights are count times ln((1 + N) / (1 + n)) + 1, for n of the N texts that have the n-gram; what
    no text has counts nowhere.

    Args:
        queries: anything; one without an n-gram in common gets the first text.
        texts: at least one.

    Raises:
        ValueError: no texts.
    """
    if not texts:
        raise ValueError("texts must have at least one, got none; there is nothing to find")
    counted = [_ngrams(text) for text in texts]
    num_with = Counter(ngram for ngrams in counted for ngram in ngrams)
    columns = {ngram: place for place, ngram in enumerate(num_with)}
    weights = np.log((1 + len(texts)) / (1 + np.array(list(num_with.values())))) + 1
    known = _rows(counted, columns, weights).T.tocsr()
    nearest: list[int] = []
    for start in range(0, len(queries), _BLOCK):
        asked = [_ngrams(query) for query in queries[start : start + _BLOCK]]
        # The query's own length is left out: it changes no order.
        likeness = (_rows(asked, columns, weights) @ known).toarray()
        nearest += likeness.argmax(1).tolist()
    return nearest


def _ngrams(text: str) -> Counter[str]:
    words = [f" {word} " for word in text.lower().split()]
    return Counter(word[i : i + n] for word in words for n in _LENGTHS for i in range(len(word) - n + 1))


def _rows(counted: Sequence[Counter[str]], columns: dict[str, int], weights: np.ndarray) -> csr_matrix:
    """[N, F] weighted counts of the known n-grams, each row of length 1 or all 0."""
    places, values, ends = [], [], [0]
    for ngrams in counted:
        found = [(columns[ngram], count) for ngram, count in ngrams.items() if ngram in columns]
        row = np.array([count * weights[place] for place, count in found])
        places += [place for place, _ in found]
        values += (row / max(float(np.linalg.norm(row)), 1e-12)).tolist()
        ends.append(len(places))
    return csr_matrix((values, places, ends), shape=(len(counted), len(columns)))
