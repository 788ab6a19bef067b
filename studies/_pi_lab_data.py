"""What the simulated lab of perceptual initialisation reads: drawn objects, captions of them, and simulated votes.

Objects are those of `alignkit.data.simulate`: eight categories, twelve known latents that shape and paint a picture in
random pose, light and background. The first are those of the *zero-shot test*, then come those that *people* judge, and
last those of *pairs*, so that more pairs change nothing else; no object is of two groups.

*Captions* are made of the latents. A latent of .3 or more may be named: "slightly" below .6, "very" from 1.1 on. A
caption names one or two of an object's latents, drawn at random, and in `NAMED` of all cases its category, else "thing"
("object", "shape"): as on the web, no caption says everything, and few say the same.

*Judgements*, a table each (columns as in `studies._pi_data`):

``people``
    Votes of `N_VOTES` of 24 simulated people, each with weights of their own: a softmax over the dot products of the
    latents, temperature .2, lapses 3 %. 40 % of the trials show an object of the reference's category and one of
    another, 30 % two of its category, 30 % any two.
``labels``
    The control: the same references, one object of the same category against one of another.

*Zero-shot*: which of the eight categories a new object has, and which of the twelve latents is its strongest.
"""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import atomic_write, write_json
from alignkit.data import LabelledImages
from alignkit.data import _simulate_objects as objects
from alignkit.data import _simulate_people as behaviour
from alignkit.data._pictures import png_bytes
from alignkit.data._render import render
from alignkit.data._simulate_streams import Stream, stream
from studies._pi_data import (
    DONE,
    add_member,
    cells,
    divided,
    drawer,
    is_done,
    label_trials,
    made,
    votes_of,
    write_table,
)

#: Pixels of a side; latents; what simulated people are like.
SIZE, N_DIMENSIONS = 32, 12
N_PEOPLE, N_VOTES, NOISE, LAPSE, INDIVIDUALITY = 24, 5, 0.2, 0.03, 0.3
#: Share of captions that name the category; captions of each object.
NAMED, N_CAPTIONS = 0.5, 3
#: Shares of trials between one of the reference's category and one of another, and of trials within one category.
CLASS, WITHIN = 0.4, 0.3
#: From which value on a latent is named, and with which word.
DEGREES = ((1.1, "very "), (0.6, ""), (0.3, "slightly "))
SENTENCES = (
    "a picture of a {traits} {noun}.",
    "there is a {traits} {noun}.",
    "a {noun} that is {traits}.",
    "the {noun} in this picture is {traits}.",
)
NOUNS = ("thing", "object", "shape")
#: Prompts of the two zero-shot tests.
CATEGORY_TEMPLATES = ("a picture of a {}.", "there is a {}.", "a {}.", "the {} in this picture.")
TRAIT_TEMPLATES = ("a picture of a very {} thing.", "there is a very {} object.", "a shape that is very {}.")
#: Draws are numbered, so that more of one changes no other.
_CAPTIONS, _TRIALS, _LABELS = 10, 11, 12


@dataclasses.dataclass(frozen=True)
class PILabData:
    """Where everything lies.

    Attributes
    ----------
    pairs : dict of int to tuple of Path
        The shards that hold so many pairs: each size holds the smaller ones.
    zero_shot : Path
        Folder with a folder of pictures per category.
    traits : Path
        Table of the same pictures' strongest latents, for `alignkit.data.read_labelled_images`.
    judgements : dict of str to Path
        The tables, by name.
    images : Path
        The folder that their paths start from.
    ideal : dict of str to float
        For each split how often the side that a person is more likely to choose has most votes: no model that knows
        everything does better, in expectation.
    """

    pairs: dict[int, tuple[Path, ...]]
    zero_shot: Path
    traits: Path
    judgements: dict[str, Path]
    images: Path
    ideal: dict[str, float]


def write_pi_lab_data(
    work: Path,
    *,
    seed: int,
    sizes: Sequence[int] = (250, 1000, 4000, 16_000),
    n_people: int = 4000,
    n_zero_shot: int = 1600,
    n_trials: int = 20_000,
) -> PILabData:
    """Write pairs, pictures and judgements into ``work`` unless they are there, whole and of the same settings.

    Parameters
    ----------
    work : Path
        A folder, made if needed.
    seed : int
        Of the lab: objects, pictures, people, captions and trials.
    sizes : sequence of int
        Numbers of pairs, ascending.
    n_people, n_zero_shot : int
        Objects that are judged, and objects of the zero-shot test.
    n_trials : int
        Trials of each table.
    """
    lab = Lab(seed, n_zero_shot + n_people + sizes[-1])
    people = np.arange(n_zero_shot, n_zero_shot + n_people)
    settings = {"seed": seed, "sizes": list(sizes), "n_people": n_people, "n_zero_shot": n_zero_shot}
    settings |= {"n_trials": n_trials}
    splits = divided(lab.category, people, n_trials, seed)
    trials = {name: lab.trials(own, n, drawer(seed, _TRIALS, k)) for k, (name, own, n) in enumerate(splits)}
    votes = {name: lab.votes(own, stream(seed, Stream.VOTES, k)) for k, (name, own) in enumerate(trials.items())}
    shards = [work / "pairs" / f"{k:05d}.tar" for k in range(len(sizes))]
    found = PILabData(
        pairs={size: tuple(shards[: k + 1]) for k, size in enumerate(sizes)},
        zero_shot=work / "zero_shot",
        traits=work / "traits.csv",
        judgements={name: work / f"{name}.csv" for name in ("people", "labels")},
        images=work / "people",
        ideal={name: lab.ideal(own, votes[name]) for name, own in trials.items()},
    )
    if is_done(work, settings):
        return found
    first = n_zero_shot + n_people
    for shard, start, stop in zip(shards, [0, *sizes[:-1]], sizes, strict=True):
        lab.write_pairs(shard, range(first + start, first + stop))
    lab.write_pictures(found.images, people)
    lab.write_zero_shot(found.zero_shot, found.traits, range(n_zero_shot))
    rows, control = [], []
    one_hot = np.eye(len(objects.CATEGORIES))[lab.category]
    for k, (name, own, _) in enumerate(splits):
        rows += cells(trials[name], votes[name], lab.files, name)
        of_category = label_trials(lab.category, own, trials[name][:, 0], drawer(seed, _LABELS, k))
        control += cells(of_category, votes_of(one_hot, of_category), lab.files, name)
    write_table(found.judgements["people"], rows)
    write_table(found.judgements["labels"], control)
    write_json(work / DONE, settings)
    return found


class Lab:
    """So many objects of `alignkit.data.simulate`, with their people; no answers about all pairs of them.

    Parameters
    ----------
    seed : int
        As that of `alignkit.data.simulate`.
    n : int
        Objects; each is the same in a lab of any size.
    """

    def __init__(self, seed: int, n: int) -> None:
        self.seed = seed
        self.names = tuple(name for name, _ in objects.DIMENSIONS[:N_DIMENSIONS])
        self.embedding = objects.draw_embedding(n, N_DIMENSIONS, seed)
        self.category = np.arange(n) % len(objects.CATEGORIES)
        self.labels = objects.object_labels(n)
        self.files = tuple(f"{label}.png" for label in self.labels)
        people = {"noise": NOISE, "lapse": LAPSE, "individuality": INDIVIDUALITY, "seed": seed}
        self.judges = behaviour.draw_judges(self.embedding, self.labels, N_PEOPLE, **people)  # type: ignore[arg-type]

    def picture(self, i: int) -> Any:
        """Return the picture of an object, that of `SimulatedLab.image`."""
        latents = dict(zip(self.names, self.embedding[i].tolist(), strict=True))
        return render(latents, stream(self.seed, Stream.STYLE, i), stream(self.seed, Stream.SCENE, i, 0), SIZE)

    def captions(self, i: int) -> list[str]:
        """Return captions of an object, different ones where there are so many."""
        rng = drawer(self.seed, _CAPTIONS, i)
        return list(dict.fromkeys(self._caption(i, rng) for _ in range(N_CAPTIONS)))

    def _caption(self, i: int, rng: np.random.Generator) -> str:
        named = [word for d, value in enumerate(self.embedding[i]) if (word := self._word(d, float(value)))]
        traits = [named[k] for k in rng.permutation(len(named))[: 1 + int(rng.integers(2))]] or ["plain"]
        noun = tuple(objects.CATEGORIES)[self.category[i]] if rng.random() < NAMED else NOUNS[rng.integers(len(NOUNS))]
        text = SENTENCES[rng.integers(len(SENTENCES))].format(traits=" and ".join(traits), noun=noun)
        for vowel in "aeiou":
            text = text.replace(f" a {vowel}", f" an {vowel}")
        return f"an {text[2:]}" if text[:2] == "a " and text[2] in "aeiou" else text

    def _word(self, d: int, value: float) -> str:
        return next((f"{degree}{self.names[d]}" for least, degree in DEGREES if value >= least), "")

    def trials(self, people: Any, n: int, rng: np.random.Generator) -> Any:
        """Return reference, left and right, the kinds mixed, shape (n, 3)."""
        of_class, within = (round(share * n) for share in (CLASS, WITHIN))
        references = behaviour.draw_triples(of_class, people, rng)[:, 0]
        parts = [label_trials(self.category, people, references, rng)]
        for c, share in enumerate(np.array_split(np.arange(within), len(objects.CATEGORIES))):
            parts.append(behaviour.draw_triples(len(share), people[self.category[people] == c], rng))
        parts.append(behaviour.draw_triples(n - of_class - within, people, rng))
        return rng.permutation(np.concatenate(parts))

    def votes(self, trials: Any, rng: np.random.Generator) -> Any:
        """Return the votes of different people on each trial, shape (n, 2)."""
        return behaviour.vote(self.judges, trials, N_VOTES, rng).votes

    def ideal(self, trials: Any, votes: Any) -> float:
        """Return how often most votes are for the side that people are more likely to choose."""
        likely = behaviour.pair_choice_probabilities(self.judges, trials).mean(axis=1)
        return float((likely.argmax(axis=1) == votes.argmax(axis=1)).mean())

    def write_pairs(self, path: Path, items: Sequence[int]) -> None:
        """Write a shard of pictures with their captions."""
        made(path.parent)
        with (
            atomic_write(path) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for i in items:
                add_member(tar, f"{self.labels[i]}.png", png_bytes(self.picture(i)))
                add_member(tar, f"{self.labels[i]}.json", json.dumps({"caption": self.captions(i)}).encode())

    def write_pictures(self, folder: Path, items: Any) -> None:
        """Write pictures into a folder."""
        made(folder)
        for i in items:
            (folder / self.files[i]).write_bytes(png_bytes(self.picture(int(i))))

    def write_zero_shot(self, folder: Path, traits: Path, items: Sequence[int]) -> None:
        """Write pictures into a folder for each category, and a table of their strongest latents."""
        names = tuple(objects.CATEGORIES)
        for c, name in enumerate(names):
            self.write_pictures(folder / name, [i for i in items if self.category[i] == c])
        files = tuple(f"{names[self.category[i]]}/{self.files[i]}" for i in items)
        strongest = tuple(self.names[d] for d in self.embedding[list(items)].argmax(axis=1))
        LabelledImages(files, strongest, name="traits").to_csv(traits)
