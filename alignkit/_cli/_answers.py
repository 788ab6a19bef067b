"""People's odd-one-out answers, and embeddings of their judgements, as verbs name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alignkit._check import join_names
from alignkit.models import Features, open_features
from alignkit.rsa import Triplets

#: The data set whose answers and embeddings go by name.
THINGS = "things"
_EMBEDDINGS = ("spose66", "spose49")


def open_answers(name: str, labels: Sequence[str] | None, whose: str, root: Path | None) -> Triplets:
    """Return answers about items that have features, and say how many others there are.

    Parameters
    ----------
    name : str
        ``things``, or a file: the ``.npz`` of Triplets.save, a ``.csv`` or ``.tsv`` with the columns first, second
        and odd, or the ``.json`` of jsPsych.
    labels : sequence of str, or None
        The items that have features.
    whose : str
        What the features are called.
    root : Path or None
        Folder that holds the data sets.

    Returns
    -------
    Triplets
        Labelled, of items among ``labels``.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Features without labels, a damaged file, or none whose three items all have features.
    """
    if labels is None:
        msg = f"{whose} names no items, so that no answers can be found for them; name its rows with --labels FILE."
        raise ValueError(msg)
    if name == THINGS:
        from alignkit.data import load_things

        answers = load_things(root).test10
    else:
        from alignkit.train._answers_file import read_answers

        answers = read_answers(Path(name), labels)
    names = set(answers.labels or ())
    both = [label for label in labels if label in names]
    if not both:
        msg = (
            f"{whose} and the answers of {name} name no item in common: {join_names(labels, 2)} against "
            f"{join_names(answers.labels or (), 2)}; name rows as the answers do, with --labels FILE."
        )
        raise ValueError(msg)
    kept = answers.restrict(both)
    if len(kept) < len(answers):
        print(f"{len(kept):,} of {len(answers):,} answers are about items that have features")
    return kept


def open_embedding(name: str, root: Path | None) -> Features:
    """Return an embedding of people's judgements: spose66, spose49, or a file of labelled features."""
    if name not in _EMBEDDINGS:
        return open_features(name)
    from alignkit.data import load_things

    things = load_things(root)
    return Features.from_array(getattr(things, name), things.labels, name=name)
