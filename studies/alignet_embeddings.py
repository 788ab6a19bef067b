"""SPoSE and VICE on answers whose generator is known, and on people's: what is recovered, and what is learnt.

Recovery: a million answers are drawn from SPoSE-66 (1,854 objects, triples uniform), another 50,000 choose the step
that is kept, and 200,000 score it beside the generator itself. How many dimensions are found again is counted by their
best Pearson correlation with one of the 66. The same is done with the choice probabilities of these triples in place of
one answer to each, which leave nothing open. What a million answers can tell at all is shown by a SPoSE that begins at
the generator's own values and is trained on, its last weights scored: it loses by the answers' noise and the penalty
alone, not by having found other dimensions.

People: the 146,168 answers of test10. A tenth of the triples of objects scores, a tenth chooses the step, and shares of
the rest train, which gives the learning curve. The full share is trained from two seeds, and calibrated on the 20,000
answers to 1,000 triplets that about 20 people each gave. SPoSE-66 stands beside them; it was probably fitted to these
very answers. Intervals resample answers.

python -m studies.alignet_embeddings --data FOLDER   (half an hour on two cores; ``--small``: minutes)
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignkit.data import load_things
from alignkit.rsa import (
    Triplets,
    choice_probabilities,
    cross_entropy,
    expected_calibration_error,
    human_distribution,
    kl_divergence,
    triplet_ceiling,
)
from alignkit.rsa._intervals import cluster_intervals
from alignkit.train import HumanEmbedding, LoopConfig, reproducibility
from alignkit.train.embedding._data import EmbeddingData, split_data
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig
from benchmarks._harness import machine

METHODS = {"SPoSE": SPoSEConfig, "VICE": VICEConfig}
N_TRAIN, N_VAL, N_TEST = 1_000_000, 50_000, 200_000
SHARES = (0.25, 0.5, 1.0)
SEEDS = (0, 1)
#: Choice probabilities have no noise that is to be held down.
SOFT: dict[str, dict[str, float]] = {"SPoSE": {"start_penalty": 0.05, "penalty": 0.02}, "VICE": {"start_penalty": 0.05}}
#: Correlations from which on a dimension counts as found again.
FOUND = (0.6, 0.8, 0.9)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real data, with things/")
    parser.add_argument("--work", type=Path, help="folder of the runs, which go on where they were stopped")
    parser.add_argument("--part", choices=("recovery", "people"), help="do one part alone, and keep what is known")
    parser.add_argument("--small", action="store_true", help="few answers and steps; nothing is kept")
    asked = parser.parse_args(argv)
    if not (asked.data / "things" / "triplets_test10.txt").is_file():
        print(f"the data are not at hand: {asked.data / 'things'} has no answers")
        return
    with tempfile.TemporaryDirectory() as folder:
        study = Study(asked.data, asked.work or Path(folder), small=asked.small)
        rows = {}
        if asked.part != "people":
            rows |= study.recovery()
        if asked.part != "recovery":
            rows |= study.people()
    for name, row in rows.items():
        print(f"{name}: {json.dumps({key: value for key, value in row.items() if key != 'curve'})}")
    if not asked.small:
        keep(rows)


def keep(rows: dict[str, Any]) -> None:
    """Write the rows beside this file, with those of the other part that are there."""
    path = Path(__file__).with_suffix(".json")
    before = json.loads(path.read_text())["rows"] if path.exists() else {}
    about = {"machine": machine(), "seeds": len(SEEDS), "epochs": "by the steps of each row"}
    path.write_text(json.dumps({**about, "rows": before | rows}, indent=1) + "\n")


@dataclasses.dataclass
class Study:
    """What both parts need."""

    data: Path
    work: Path
    small: bool = False

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        self.things = load_things(self.data)
        self.spose = np.maximum(self.things.spose66, 0.0)

    # --- answers drawn from SPoSE-66

    def recovery(self) -> dict[str, Any]:
        """Return a row per method, and that of a start at the generator itself."""
        sizes = [n // 100 for n in (N_TRAIN, N_VAL, N_TEST)] if self.small else [N_TRAIN, N_VAL, N_TEST]
        answers = draw_answers(self.spose, self.things.labels, sum(sizes), seed=1)
        stops = np.cumsum(sizes)
        data = EmbeddingData(answers, *np.split(np.arange(stops[-1]), stops[:-1]))
        rows = {}
        for name in METHODS:
            embedding, seconds = self._fit(f"recovery-{name}", data, self.config(name, 0))
            rows[f"{name} on {sizes[0]:,} answers of SPoSE-66"] = {
                **self._recovered(embedding, data),
                "seconds": seconds,
            }
        probable = Triplets(answers.items, self.things.labels, soft=choice_probabilities(self.spose, answers.items))
        soft = EmbeddingData(probable, data.train, data.val, data.test)
        for name in METHODS:
            embedding, seconds = self._fit(f"recovery-soft-{name}", soft, self.config(name, 0, **SOFT[name]))
            rows[f"{name} on {sizes[0]:,} choice probabilities of SPoSE-66"] = {
                **self._recovered(embedding, data),
                "seconds": seconds,
            }
        begun = self.config("SPoSE", 0, start="random", n_dims=SPoSEConfig().n_dims)
        oracle, _ = self._fit("recovery-oracle", data, begun, at=self.spose)
        rows[f"SPoSE begun at SPoSE-66 itself, {sizes[0]:,} answers"] = self._recovered(oracle, data)
        return rows

    def config(self, name: str, seed: int, **own: Any) -> SPoSEConfig | VICEConfig:
        """Return a method's default settings."""
        few = {"max_steps": 20, "validate_every": 10} if self.small else {}
        config = METHODS[name](**({"n_dims": 20, **own} if self.small else own))
        loop: LoopConfig = dataclasses.replace(config.loop, seed=seed, progress=False, device="cpu", **few)
        return dataclasses.replace(config, loop=loop, **({"start_steps": 20} if self.small else {}))

    def _fit(
        self, folder: str, data: EmbeddingData, config: SPoSEConfig | VICEConfig, at: Any = None
    ) -> tuple[HumanEmbedding, float]:
        """Train on data that no file holds, and return the embedding and the seconds that it took."""
        import torch

        from alignkit.train._processes import Processes
        from alignkit.train._run import train_task
        from alignkit.train._run_folder import RunFolder
        from alignkit.train.embedding.task import EmbeddingTask

        out = self.work / folder
        config = dataclasses.replace(config, out=out, root=self.data)
        with Processes.start(config.loop) as processes, RunFolder.open(out, config) as kept:
            if kept.finished is None:
                task = EmbeddingTask(data, config)
                if at is not None:
                    with torch.no_grad():
                        task.model.values_ND.zero_()[:, : at.shape[1]] = torch.from_numpy(at)
                history = train_task(task, config, kept, processes)
                if at is not None:  # the best validation is that of the start itself
                    newest = kept.checkpoints.newest()
                    assert newest is not None
                    with torch.no_grad():
                        task.model.values_ND.copy_(newest.tensors["model.values_ND"])
                    task.export(out)
                first = max((one.seconds for one in _steps(out / "start")), default=0.0)
                (out / "seconds.json").write_text(json.dumps(first + history.steps[-1].seconds))
        return HumanEmbedding.load(out / "embedding.npz"), float(json.loads((out / "seconds.json").read_text()))

    def _recovered(self, embedding: HumanEmbedding, data: EmbeddingData) -> dict[str, Any]:
        """Return how near the embedding comes to the generator on answers that it never saw."""
        test = data.part("test")
        p, own = embedding.choice_probabilities(test), choice_probabilities(self.spose, test.items)
        excess = np.log(own[:, 2]) - np.log(p[:, 2])
        low, high = cluster_intervals(
            excess[:, None], np.ones((len(p), 1)), n_bootstrap=1000, confidence=0.95, rng=np.random.default_rng(0)
        )
        found = reproducibility([self.spose, embedding.values])
        best = found.r[found.embedding == 0]
        return {
            "cross_entropy": cross_entropy(p),
            "generator": cross_entropy(own),
            "excess": float(excess.mean()),
            "excess_95": [float(low[0]), float(high[0])],
            "kl_from_generator": kl_divergence(own, p),
            "n_dims": embedding.n_dims,
            "of_66_found_at_r": {str(r): int((best >= r).sum()) for r in FOUND},
            "similarity_r": float(found.similarity[0, 1]),
            "n_answers": len(data.train),
            "settings": embedding.settings,
        }

    # --- people's answers

    def people(self) -> dict[str, Any]:
        """Return the learning curve of each method, its seeds, and its calibration on the repeats."""
        rows: dict[str, Any] = {"SPoSE-66 (published; probably fitted to these answers)": self._calibration(None)}
        for name in METHODS:
            curve = [self._share(name, share) for share in (SHARES[:1] if self.small else SHARES)]
            rows[f"{name}, learning curve"] = {"curve": curve, **curve[-1]}
            if self.small:
                continue
            embeddings = [self._people_run(name, 1.0, seed)[0] for seed in SEEDS]
            found = reproducibility(embeddings)
            rows[f"{name}, {len(SEEDS)} seeds"] = {
                "n_dims": list(found.n_dims),
                "found_again_at_r": {str(r): list(found.matched(r)) for r in FOUND},
                "mean_r": [float(found.r[found.embedding == e].mean()) for e in range(len(SEEDS))],
                "similarity_r": found.similarity[np.triu_indices(len(SEEDS), 1)].tolist(),
            }
            rows[f"{name}, 20,000 repeats"] = self._calibration(embeddings[found.median_embedding])
        return rows

    def _people_run(self, name: str, share: float, seed: int) -> tuple[HumanEmbedding, Path]:
        """Return what a share of the training answers gives; test and validation answers are always the same."""
        config = self.config(name, seed)
        out = self.work / f"people-{name}-{share:g}-{seed}"
        data = split_data(self.things.test10, config)
        part = np.random.default_rng(7).permutation(data.train)[: round(share * len(data.train))]
        data = EmbeddingData(data.triplets, np.sort(part), data.val, data.test)
        return self._fit(out.name, data, config)[0], out

    def _share(self, name: str, share: float) -> dict[str, Any]:
        embedding, out = self._people_run(name, share, 0)
        test = split_data(self.things.test10, self.config(name, 0)).part("test")
        p = embedding.choice_probabilities(test)
        scored = {
            **_scored(p),
            "share": share,
            "n_dims": embedding.n_dims,
            "n_answers": embedding.settings["n_answers"],
            "settings": embedding.settings,
        }
        own = choice_probabilities(self.spose, test.items)
        return {
            **scored,
            "spose66_cross_entropy": cross_entropy(own),
            "seconds": json.loads((out / "seconds.json").read_text()),
        }

    def _calibration(self, embedding: HumanEmbedding | None) -> dict[str, Any]:
        """Return how well probabilities fit 20,000 answers to 1,000 triplets."""
        repeats = self.things.repeats

        def of(triplets: Any) -> Any:
            items = Triplets(triplets.items, self.things.labels)
            return (
                choice_probabilities(self.spose, items.items)
                if embedding is None
                else embedding.choice_probabilities(items)
            )

        human = human_distribution(repeats, min_answers=2)
        ceiling = triplet_ceiling(repeats, n_bootstrap=0)
        return {
            **_scored(of(repeats)),
            "kl_human": kl_divergence(human, of(human)),
            "leave_one_out_ceiling": ceiling.leave_one_out,
        }


def _scored(p: Any) -> dict[str, Any]:
    """Return cross-entropy and accuracy of answers whose odd one out is last, with intervals over answers, and ECE."""
    sums = np.column_stack([-np.log(p[:, 2]), p[:, 2] > p[:, :2].max(axis=1)])
    low, high = cluster_intervals(
        sums, np.ones_like(sums), n_bootstrap=1000, confidence=0.95, rng=np.random.default_rng(0)
    )
    mean = sums.mean(axis=0)
    return {
        "cross_entropy": float(mean[0]),
        "cross_entropy_95": [float(low[0]), float(high[0])],
        "accuracy": float(mean[1]),
        "accuracy_95": [float(low[1]), float(high[1])],
        "ece10": expected_calibration_error(p),
        "n": len(p),
    }


def draw_answers(x: Any, labels: Sequence[str], n: int, *, seed: int) -> Triplets:
    """Return answers to triples drawn uniformly, each by the softmax of the three pairs' dot products."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, len(x), (n + n // 50, 3))
    a, b, c = items.T
    items = items[(a != b) & (a != c) & (b != c)][:n]
    p = choice_probabilities(x, items)
    odd = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return Triplets.from_columns(items, odd=np.minimum(odd, 2) + 1, base=0, labels=labels)


def _steps(folder: Path) -> list[Any]:
    from alignkit.train._history import StepRecord

    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [StepRecord.from_line(line) for line in lines if "val" not in line]


if __name__ == "__main__":
    main()
