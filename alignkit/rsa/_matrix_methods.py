"""Methods that see RDMs as matrices: they must know which items each pair joins."""

from __future__ import annotations

from typing import Literal

from alignkit.rsa._similarity_methods import METHODS, SENTENCE, Method

WhitenedMethod = Literal["whitened-cosine", "whitened-pearson"]
BuresMethod = Literal["bures", "bures-metric"]
#: Everything that :func:`compare` knows.
ComparisonMethod = Literal[Method, WhitenedMethod, BuresMethod]

#: Whitened methods, and the plain one that each is with independent pairs.
WHITENED = {"whitened-cosine": "cosine", "whitened-pearson": "pearson"}
BURES = ("bures", "bures-metric")
#: Methods whose values are smaller for RDMs that are more alike.
DISTANCES = frozenset({"bures-metric"})
COMPARISON_METHODS = (*METHODS, *WHITENED, *BURES)
#: Methods that compare torch tensors where they lie.
TENSOR_METHODS = (*METHODS, *WHITENED)
#: What a Methods section calls them.
SENTENCES = {
    **SENTENCE,
    "whitened-cosine": "whitened cosine similarity (weighted by the covariance of dissimilarities that share an item; "
    "Diedrichsen et al., 2020)",
    "whitened-pearson": "whitened Pearson correlation (weighted by the covariance of dissimilarities that share an "
    "item; Diedrichsen et al., 2020)",
    "bures": "Bures similarity (normalised fidelity of the centred second moments)",
    "bures-metric": "the Bures distance of the centred second moments",
}
