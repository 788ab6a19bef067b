"""Several RDMs over the same items in the same order."""

from __future__ import annotations

from collections.abc import Sequence

from alignkit._check import join_names
from alignkit.rsa._align import OnMismatch, align, as_rdm
from alignkit.rsa._container import RDM


def as_rdms(name: str, x: object) -> list[RDM]:
    """Return one stack of RDMs, or each of a sequence of RDMs, tables or arrays, with float64 arrays as values."""
    many = isinstance(x, list | tuple) and x and all(isinstance(one, RDM) or hasattr(one, "shape") for one in x)
    return [as_rdm(name, one) for one in x] if many else [as_rdm(name, x)]  # type: ignore[attr-defined]


def numbered(name: str, rdms: Sequence[RDM]) -> list[tuple[str, RDM]]:
    """Return RDMs with what to call each: ``name``, with its position where they are several."""
    return [(name if len(rdms) == 1 else f"{name}[{i}]", one) for i, one in enumerate(rdms)]


def align_all(named: Sequence[tuple[str, RDM]], on_mismatch: OnMismatch) -> list[RDM]:
    """Return all RDMs over the same items in the order of the first.

    Raises
    ------
    ValueError
        Different items, unless only those that all share are asked for, or RDMs without labels beside labelled ones in
        different orders; the sentence names those that differ.
    """
    check_one_order(named)
    (base, common), *others = named
    for name, other in others:
        common, _ = align_named(base, common, name, other, on_mismatch)
    return [align_named(base, common, name, other, on_mismatch)[1] for name, other in named]


def check_one_order(named: Sequence[tuple[str, RDM]]) -> None:
    """Refuse RDMs without labels where the labelled ones beside them do not all list their items in one order."""
    bare = [name for name, one in named if one.labels is None]
    labelled = [(name, one.labels) for name, one in named if one.labels is not None]
    for name, labels in labelled[1:]:
        if bare and labels != labelled[0][1]:
            different, which = "their items in different orders", "is that"
            if set(labels) != set(labelled[0][1]):
                different, which = f"different items ({_only_in(labelled[0], (name, labels))})", "has those"
            msg = (
                f"{labelled[0][0]} and {name} hold {different}, and nothing says which of the two {which} of {bare[0]}"
                "; give it labels."
            )
            raise ValueError(msg)


def _only_in(a: tuple[str, Sequence[str]], b: tuple[str, Sequence[str]]) -> str:
    parts = []
    for (name, labels), (_, others) in ((a, b), (b, a)):
        only = [label for label in labels if label not in set(others)]
        parts += [f"only in {name}: {join_names(only)}"] if only else []
    return "; ".join(parts)


def align_named(name_a: str, a: RDM, name_b: str, b: RDM, on_mismatch: OnMismatch) -> tuple[RDM, RDM]:
    """Return two RDMs over the same items in the order of the first; errors call them by their names."""
    try:
        return align(a, b, on_mismatch=on_mismatch)
    except ValueError as error:
        text = str(error).replace("the first RDM", name_a).replace("the second RDM", name_b)
        msg = text.replace("the RDMs", f"{name_a} and {name_b}")
        raise ValueError(msg) from error
