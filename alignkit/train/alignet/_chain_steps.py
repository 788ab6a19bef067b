"""The steps of a chain, each a function of its folder: what is there is gone on with, what is missing is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import counted
from alignkit._io import atomic_write
from alignkit._typing import IntArray
from alignkit.align import Clusters, TeacherScores, cluster, write_triplets
from alignkit.align._too_few_answers import TooFewAnswersError
from alignkit.models import open_features
from alignkit.train._run import run
from alignkit.train.alignet._chain_config import AligNetChainConfig, Step
from alignkit.train.alignet._chain_data import ChainData, read_chain_data
from alignkit.train.alignet._chain_features import ChainFeatures
from alignkit.train.alignet._chain_teacher import Lesson, open_teacher, transform_store
from alignkit.train.alignet.config import AligNetConfig, Arm
from alignkit.train.embedding._human_embedding import HumanEmbedding
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig

HUMAN, FEATURES, CLUSTERS, TRIPLETS, STUDENTS = "human", "features", "clusters.npz", "triplets", "students"
TEACHER_SCORES, ITEMS, HELD_OUT, ANSWERS = "teacher-scores.json", "items.csv", "held_out.txt", "answers.npz"
#: Images for each cluster, at least.
_PER_CLUSTER = 10
#: Triplets to choose weights on: a tenth of those that are trained on, so many at most and at least.
_VAL, _MIN_VAL = 20_000, 1000

Notes = dict[str, Any]


class Chain:
    """A chain at work: its settings, its folder, and what is read only once it is needed.

    Parameters
    ----------
    config : AligNetChainConfig
    path : Path
        The folder.
    """

    def __init__(self, config: AligNetChainConfig, path: Path) -> None:
        self.config = config
        self.path = path

    @cached_property
    def data(self) -> ChainData:
        """Items, photos, answers and images."""
        return read_chain_data(self.config)

    @cached_property
    def features(self) -> ChainFeatures:
        """The teacher's features."""
        return ChainFeatures(self.config, self.data, self.path)

    def do(self, step: Step) -> Notes:
        """Make a step, and return what it has to say."""
        steps: dict[Step, Callable[[], Notes]] = {
            "human": self.human,
            "features": self.extract,
            "teacher": self.teach,
            "clusters": self.cluster,
            "triplets": self.triplets,
        }
        return steps[step]()

    # --- people, features, teacher

    def human(self) -> Notes:
        """Learn human dimensions from the answers about items that are not held out, or read them."""
        answers = self.data.learned()
        self._describe()
        human, notes = self.config.human, {"n_answers": len(answers), "n_items": len(self.data.splits.train)}
        if human == "answers":
            return notes
        if human in ("spose", "vice"):
            file = self.path / ANSWERS
            if not file.is_file():
                answers.save(file)
            made = run(self._embedding_config(file))
            return {**notes, "metrics": made.metrics}
        if human == "spose66":
            if self.data.things is None:
                msg = "human is spose66, but the items are no concepts of THINGS, or its files are not at hand."
                raise ValueError(msg)
            found = HumanEmbedding(self.data.things.labels, np.maximum(self.data.things.spose66, 0), method="SPoSE-66")
        else:
            found = HumanEmbedding.load(human)
        missing = sorted(set(self.data.splits.train) - set(found.labels))
        if missing:
            msg = (
                f"{human} has no dimensions of {len(missing)} of the items that are learned from, such as {missing[0]}."
            )
            raise ValueError(msg)
        (self.path / HUMAN).mkdir(exist_ok=True)
        found.save(self.path / HUMAN / "embedding.npz")
        return {**notes, "n_dims": found.n_dims}

    def _embedding_config(self, answers: Path) -> SPoSEConfig | VICEConfig:
        kind = SPoSEConfig if self.config.human == "spose" else VICEConfig
        base, own = kind(), self.config.loop
        loop = dataclasses.replace(
            base.loop,
            max_steps=self.config.embedding_steps,
            validate_every=max(1, min(base.loop.validate_every or 150, self.config.embedding_steps // 4)),
            checkpoint_every=None,
            **{name: getattr(own, name) for name in ("seed", "device", "progress")},
        )
        small: dict[str, Any] = {
            "start_steps": min(base.start_steps, self.config.embedding_steps),
            "n_dims": min(base.n_dims, len(self.data.splits.train)),
        }
        # what is held out are items: every answer here may be learned from
        return dataclasses.replace(base, triplets=answers, test_share=0.0, loop=loop, out=self.path / HUMAN, **small)

    def extract(self) -> Notes:
        """Extract the teacher's features of images and of items' photos."""
        self.features.make()
        train, val = self.features.sides()
        stored = open_features(self.features.images)
        return {
            "model": stored.name,
            "n_images": int(stored.n_items),
            "n_train": int(train.sum()),
            "n_val": int(val.sum()),
        }

    def teach(self) -> Notes:
        """Check the teacher on items that it does not see, fit it to all, and transform the features of images."""
        lesson = self.lesson()
        path = self.path / TEACHER_SCORES
        try:
            if not path.is_file() and self.config.divisions:
                scores = lesson.check()
                assert scores is not None
                scores.save(path)
            lesson.fit(self.path)
        except TooFewAnswersError as error:
            ways = ["name photos (features) of more items", "hold out fewer items"]
            if self.config.divisions and not path.is_file():
                ways.insert(0, "set divisions to 0 to leave the check out")
            if self.config.human == "answers":
                ways.insert(0, "learn from human dimensions instead (human: spose66 or a file, which need fewer)")
            msg = (
                f"{len(lesson.answers):,} answers are about the {len(self.data.splits.train):,} items that are learned "
                f"from alone, which is too few to choose a teacher's settings on; {', or '.join(ways)}."
            )
            raise ValueError(msg) from error
        progress = self.config.loop.progress
        (self.path / FEATURES).mkdir(exist_ok=True)
        made = transform_store(
            open_teacher(self.path), self.features.images, self.path / FEATURES / "aligned", progress=progress
        )
        return {"teacher": repr(open_teacher(self.path)), "aligned": made.name, "temperature": lesson.temperature()}

    def lesson(self) -> Lesson:
        """Return what the teacher learns from."""
        file = self.path / HUMAN / "embedding.npz"
        embedding = HumanEmbedding.load(file) if file.is_file() else None
        items = self.data.splits.train
        if embedding is not None:
            items = tuple(name for name in items if name in set(embedding.labels))
        answers = self.data.learned().restrict(items)
        return Lesson(self.config, self.data, self.features.of_items(items), answers, embedding)

    def teacher_scores(self) -> TeacherScores | None:
        """Return what the teacher predicted of answers about items that it did not see."""
        path = self.path / TEACHER_SCORES
        return TeacherScores.load(path) if path.is_file() else None

    # --- clusters and triplets

    @property
    def aligned(self) -> Path:
        """Features of images in the teacher's space."""
        folder = self.path / FEATURES / "aligned"
        return folder if folder.is_dir() else folder.with_suffix(".npz")

    def cluster(self) -> Notes:
        """Divide the images into clusters in the teacher's space; those of held-out items take no part."""
        config = self.config
        if not config.by_cluster:
            rules = ", ".join(config.sampling)
            return {"notes": [f"Triplets are drawn by the images' folders ({rules}); there are no clusters."]}
        inside = np.logical_or(*self.features.sides())
        rows: Any = self.aligned
        if not inside.all():
            stored = open_features(self.aligned)
            assert stored.labels is not None
            rows = stored.select([name for name, own in zip(stored.labels, inside, strict=True) if own])
        n = int(inside.sum())
        n_clusters = max(2, min(config.n_clusters, n // _PER_CLUSTER))
        found = cluster(rows, n_clusters=n_clusters, seed=config.loop.seed)
        found.save(self.path / CLUSTERS)
        notes = {"clusters": repr(found)}
        if n_clusters < config.n_clusters:
            few = (
                f"{counted(n, 'image')} are in {n_clusters} clusters, not in {config.n_clusters}: one for ten at most."
            )
            return {**notes, "notes": [few]}
        return notes

    def triplets(self) -> Notes:
        """Draw the triplets of every arm, and compute the similarities of their images."""
        config = self.config
        groups = self._groups()
        n = config.n_triplets or 0
        (self.path / TRIPLETS).mkdir(exist_ok=True)
        sides = {"": n, "-val": min(_VAL, max(_MIN_VAL, n // 10))}
        for arm in dict.fromkeys(map(_source, config.students)):
            source = self.features.images if arm == "untransformed" else self.aligned
            for (end, size), side, seed in zip(sides.items(), self.features.sides(), (0, 1), strict=True):
                write_triplets(
                    source,
                    np.where(side, groups, -1),
                    out=self.path / TRIPLETS / f"{arm}{end}.zarr",
                    n=size,
                    sampling=config.sampling,
                    arm=arm,
                    seed=2 * config.loop.seed + seed,
                    progress=config.loop.progress,
                )
        return {"n_triplets": n, "n_val": sides["-val"]}

    def _groups(self) -> IntArray:
        """Return the cluster or the folder of every stored image."""
        names = self.features.names()
        if not self.config.by_cluster:
            folders = [name.rpartition("/")[0] for name in names]
            return np.unique(folders, return_inverse=True)[1]
        found = Clusters.load(self.path / CLUSTERS)
        assert found.labels is not None
        number = dict(zip(found.labels, found.cluster_of.tolist(), strict=True))
        return np.array([number.get(name, -1) for name in names])

    # --- students

    def student(self, arm: Arm) -> AligNetConfig:
        """Return the settings of an arm's student."""
        config = self.config
        own = {field.name: getattr(config, field.name) for field in dataclasses.fields(AligNetConfig)}
        own |= {"out": self.path / STUDENTS / arm, "arm": arm}
        # what lies before the first trained block is the same for all arms
        own["cache_folder"] = config.cache_folder or self.path / "cache"
        if config.triplets is not None:
            return AligNetConfig(**own)
        files = {"triplets": f"{_source(arm)}.zarr", "val_triplets": f"{_source(arm)}-val.zarr"}
        own |= {name: self.path / TRIPLETS / file for name, file in files.items()}
        own |= {"images": self.data.folder, "n_triplets": None, "items": None, "held_out": None, "answers": None}
        if self.data.photos and not self.data.apart:
            own |= {"items": self.path / ITEMS, "held_out": self.path / HELD_OUT, "answers": config.answers}
        if arm == "untransformed" and config.match_temperature:
            own["teacher_temperature"] = config.teacher_temperature * self.lesson().temperature()
        return AligNetConfig(**own)

    def _describe(self) -> None:
        """Write who is held out, and which photo shows what."""
        splits = {"items": self.data.splits, "images": self.data.sides}
        for name, split in splits.items():
            split.save(self.path / f"splits-{name}.json")
        _write_lines(self.path / HELD_OUT, self.data.splits.held_out)
        if self.data.photos and not self.data.apart:
            folder = self.data.folder
            rows = [
                f"{_cell(path.relative_to(folder).as_posix())},{_cell(name)}"
                for name, paths in self.data.photos.items()
                for path in paths
            ]
            _write_lines(self.path / ITEMS, ["file,item", *rows])


def _source(arm: Arm) -> Arm:
    """Return whose triplets an arm learns from: images are exchanged once these are read, within what is used."""
    return "untransformed" if arm == "untransformed" else "aligned"


def _write_lines(path: Path, lines: Any) -> None:
    with atomic_write(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text
