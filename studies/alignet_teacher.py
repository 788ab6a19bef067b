"""Teachers on real answers: what maps of frozen features predict about concepts and images that they never saw.

Three parts. *Words*: MiniLM's embeddings of "word: definition" for all 1,854 concepts of THINGS and 146,168 human
odd-one-out answers; 30 % of the concepts are held out, three times. *Photos*: 511 concepts with photos, a DINOv2-style
ViT-S/14 (class token after block 10, 224 pixels) and EfficientNet-Lite0, five folds that share no concept and no photo,
predictions pooled and scored on the answers whose three concepts all have photos. *Materials*: 2AFC choices among 100
renders (the same ViT), in folds of our own that share no image (the published train and test trials share all 100).

Penalties and temperatures are chosen on items held out within what is learned from, never on what is scored. SPoSE-66
was probably fitted to these very answers: rows that learn from it are marked and may be optimistic; rows that learn
from the answers alone are clean. Intervals resample items and answers at once, which is cautious: an answer's own noise
counts several times. Differences below .02 are not claimed.

python -m studies.alignet_teacher --data FOLDER   (an hour on two cores; ``--small``: minutes, nothing is kept)
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import load_npz, save_npz
from alignkit.align import TeacherScores, cross_validate
from alignkit.align._teacher_scores import LEAST_DIFFERENCE
from alignkit.data import load_material2afc, load_things
from alignkit.models import Features, extract, load
from alignkit.rsa import two_afc_accuracy
from alignkit.train._splits import linked_objects
from benchmarks._harness import machine
from studies.hba_photos import LITE, N_FOLDS, WEIGHTS, settings

DEFINITION = "Definition (from WordNet, Google, or Wikipedia)"
#: Random triplets of soft labels.
N_SOFT, N_SOFT_PHOTOS = 1_000_000, 200_000
#: What each part must reach: part, row, measure, bound, and whether it is a lower one.
TARGETS: tuple[tuple[str, str, str, float, bool], ...] = (
    ("words", "full", "accuracy", 0.55, True),
    ("words", "full", "cross_entropy", 0.945, False),
    ("words", "soft", "accuracy", 0.56, True),
    ("words", "soft", "cross_entropy", 0.935, False),
    ("words", "ridge", "accuracy", 0.56, True),
    ("words", "ridge", "cross_entropy", 0.93, False),
    ("words", "kernel-ridge", "accuracy", 0.58, True),
    ("words", "mlp", "accuracy", 0.58, True),
    *(("words", row, "calibration_error", 0.03, False) for row in ("full", "soft", "ridge", "kernel-ridge", "mlp")),
    *(("photos, DINOv2-style ViT-S", row, "accuracy", 0.53, True) for row in ("soft", "ridge")),
    *(("photos, EfficientNet-Lite0", row, "accuracy", 0.51, True) for row in ("soft", "ridge")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ALIGNKIT_DATA"), help="holds things/ and weights/")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--work", type=Path, help="where features and finished parts lie; reused by later calls")
    parser.add_argument("--small", action="store_true", help="one division, ridge and few triplets; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / WEIGHTS).is_file():
        print(f"the data are not at hand (--data FOLDER with {WEIGHTS}): nothing is fitted")
        return
    os.environ["ALIGNKIT_DATA"] = str(options.data.resolve())
    study = Study(options.data.resolve(), options.work, options.small)
    found: dict[str, TeacherScores] = {}
    for part in options.parts:
        found |= PARTS[part](study)
    reached = targets(found)
    for target in reached:
        print(json.dumps(target))
    if not options.small and len(options.parts) == len(PARTS):
        rows = {name: described(scores) for name, scores in found.items()}
        rows["materials"]["people"] = study.people_on_materials()
        until = "until a fit stops by itself"
        how = {"seeds": study.repeats, "epochs": until, "n_soft": N_SOFT, "seconds": study.seconds}
        content = {"study": "alignet_teacher", "machine": machine(), **how, "targets": reached, "rows": rows}
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


class Study:
    """The data, and what is kept of parts that are done."""

    def __init__(self, root: Path, work: Path | None, small: bool) -> None:
        self.root, self.small = root, small
        self.work = Path(tempfile.mkdtemp()) if work is None else work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.repeats = 1 if small else 3
        self.seconds: dict[str, float] = {}

    def features(self, name: str, make: Callable[[], tuple[Any, Any]]) -> Features:
        """Return labelled features, computed once."""
        path = self.work / f"{name}.npz"
        if not path.is_file():
            array, labels = make()
            save_npz(path, {"x": np.asarray(array), "labels": np.array(labels)}, {})
        arrays, _ = load_npz(path)
        return Features.from_array(arrays["x"], arrays["labels"].tolist(), name=name)

    def scores(self, name: str, features: Features, triplets: Any, **how: Any) -> TeacherScores:
        """Return the scores of a part; one that was done before comes from its file."""
        small = "small-" if self.small else ""
        path = self.work / f"{small}{name.replace(' ', '-').replace(',', '')}.json"
        if not path.is_file() or self.small:
            started = time.perf_counter()
            n_bootstrap = 50 if self.small else 1000
            repeats = self.repeats if self.small else how.pop("repeats", self.repeats)
            how |= {"repeats": repeats, "n_bootstrap": n_bootstrap, "work": path.with_suffix(""), "progress": True}
            result = cross_validate(features, triplets, **how)
            result.save(path)
            path.with_suffix(".seconds").write_text(str(time.perf_counter() - started))
        self.seconds[name] = float(path.with_suffix(".seconds").read_text())
        found = TeacherScores.load(path)
        print(f"{name}, {self.seconds[name]:.0f} s\n{found!r}\n", flush=True)
        return found

    def fits(self, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Return the settings of teachers by name."""
        known: dict[str, dict[str, Any]] = {
            "full": {"kind": "full"},
            "diagonal": {"kind": "diagonal"},
            # one inner split of a million triplets says as much as three, and takes minutes
            "soft": {"kind": "full", "loss": "soft", "n_soft": 20_000 if self.small else N_SOFT, "n_splits": 1},
            **{name: {"method": name} for name in ("ridge", "kernel-ridge", "mlp")},
        }
        return {name: known[name] for name in (names if not self.small else names[-1:])}

    def people_on_materials(self) -> dict[str, float]:
        """Return what single votes reach on the materials' trials, whatever a model does."""
        data = load_material2afc(self.root)
        found = two_afc_accuracy(np.eye(len(data.labels)) + 0.0, data.test, n_bootstrap=0)
        return {"majority_share": found.majority_share, "leave_one_vote_out": found.leave_one_vote_out}


def words(study: Study) -> dict[str, TeacherScores]:
    """Return the scores on words with definitions, and those of features dealt to other concepts throughout."""
    things = load_things(study.root)
    spose = Features.from_array(things.spose66, things.labels)

    def embed() -> tuple[Any, Any]:
        pairs = zip(things.concepts["Word"], things.concepts[DEFINITION], strict=True)
        texts = [f"{word}: {text}" for word, text in pairs]
        return extract(load("minilm"), texts, labels=things.labels, progress=False).array(), things.labels

    features = study.features("minilm-definitions", embed)
    names = ("full", "soft", "kernel-ridge", "mlp", "ridge")
    control = ("full", "ridge") if not study.small else ("ridge",)
    common = {"embedding": spose, "ceiling_of": things.repeats, "test_share": 0.3}
    found = study.scores("words", features, things.test10, fit=study.fits(names), control=control, **common)
    fast = study.fits(("kernel-ridge", "ridge"))
    many = study.scores("words, ten divisions", features, things.test10, fit=fast, control=False, repeats=10, **common)
    order = np.random.default_rng(0).permutation(len(features))
    dealt = Features.from_array(features.array()[order], things.labels, name="dealt to other concepts")
    nonsense = study.scores(
        "words of other concepts", dealt, things.test10, fit=study.fits(("full", "ridge")), control=False, **common
    )
    return {"words": found, "words, ten divisions": many, "words of other concepts": nonsense}


def photos(study: Study) -> dict[str, TeacherScores]:
    """Return the scores on photos, in the folds of CLIP-HBA's protocol."""
    from alignkit.train.hba._data import read_data

    data = read_data(settings(study.root, loss="triplets"))
    things = load_things(study.root)
    answers = things.test10.restrict(data.labels)
    row = {label: i for i, label in enumerate(things.labels)}
    spose = things.spose66[[row[label] for label in data.labels]]
    models: dict[str, tuple[Any, dict[str, Any]]] = {
        "photos, DINOv2-style ViT-S": (str(study.root / WEIGHTS), {"img_size": 224}),
        "photos, EfficientNet-Lite0": (LITE, {}),
    }
    found = {}
    for name, (model, options) in models.items():
        layers = "blocks.10" if options else None

        def embed(model: Any = model, options: Any = options, layers: Any = layers) -> tuple[Any, Any]:
            return mean_over_photos(load(model, device="cpu", **options), data.images, layers), data.labels

        features = study.features(name.replace(", ", "-").replace(" ", "-"), embed)
        fits = study.fits(("soft", "kernel-ridge", "ridge"))
        if "soft" in fits:
            # of 1,500 answers some 40 are about items held out within: the embedding chooses;
            # what all photos have in common is most of their features, and no linear map takes it away
            fits["soft"] |= {"n_soft": N_SOFT_PHOTOS, "triplets": None, "center": True}
        found[name] = study.scores(
            name,
            features,
            answers,
            fit=fits,
            control=("ridge",),
            embedding=Features.from_array(spose, data.labels),
            n_folds=N_FOLDS,
            pooled=True,
            groups=linked_objects(data.labels, data.images),
            ceiling_of=things.repeats,
        )
    return found


def materials(study: Study) -> dict[str, TeacherScores]:
    """Return the scores on 2AFC choices among materials; votes that tie are left out."""
    from alignkit.rsa import TwoAFC

    data = load_material2afc(study.root)
    both = [np.concatenate([getattr(part, name) for part in (data.train, data.test)]) for name in ("items", "votes")]
    trials = TwoAFC(*both, labels=data.labels)

    def embed() -> tuple[Any, Any]:
        paths = [data.image_folder / label for label in data.labels]
        model = load(study.root / WEIGHTS, device="cpu", img_size=224)
        found = extract(model, paths, layers="blocks.10", pool="cls", labels=data.labels, progress=False)
        return found.array(), data.labels

    features = study.features("materials-DINOv2-style-ViT-S", embed)
    fits = study.fits(("full", "diagonal"))
    return {"materials": study.scores("materials", features, trials, fit=fits, n_folds=N_FOLDS, control=True)}


PARTS: dict[str, Callable[[Study], dict[str, TeacherScores]]] = {
    "words": words,
    "photos": photos,
    "materials": materials,
}


def mean_over_photos(model: Any, images: Any, layers: Any) -> Any:
    """Return the mean features of every concept's photos, shape (concepts, channels)."""
    paths = sorted({path for own in images for path in own})
    features = extract(model, paths, layers=layers, pool="cls" if layers else "auto", progress=False)
    values = features.array(features.layers[0]).astype(np.float64)
    row = {path: i for i, path in enumerate(paths)}
    return np.stack([values[[row[path] for path in own]].mean(axis=0) for own in images])


def targets(found: dict[str, TeacherScores]) -> list[dict[str, Any]]:
    """Return every target that has been measured, and whether it is met."""
    reached = []
    for part, row, measure, bound, lower in TARGETS:
        if part not in found or row not in found[part].methods:
            continue
        value = float(getattr(found[part], measure)[found[part].methods.index(row)])
        met = value >= bound if lower else value <= bound
        bound_ = "at least" if lower else "at most"
        reached.append({"part": part, "row": row, "measure": measure, "wanted": f"{bound_} {bound}", "value": value})
        reached[-1]["met"] = bool(met)
    return reached


def described(scores: TeacherScores) -> dict[str, Any]:
    """Return the table of a part, with paired differences, in JSON's own types."""
    rows = json.loads(scores.to_dataframe().set_index("method").to_json(orient="index"))
    for i, name in enumerate(scores.methods):
        by_split = np.column_stack([scores.split_accuracy[i], scores.split_cross_entropy[i]])
        rows[name]["by_split"] = by_split.round(5).tolist()
    differences = json.loads(scores.differences().to_json(orient="records"))
    return {
        "rows": rows,
        "differences": differences,
        "not_claimed_below": LEAST_DIFFERENCE,
        "n_answers": scores.n_answers,
        "n_items": scores.n_items,
        "train_share": scores.train_share.tolist(),
        "test_share": scores.test_share.tolist(),
        "people": {"leave_one_out": scores.ceiling, "plug_in": scores.ceiling_plug_in},
        "chance": scores.chance,
        "methods_text": scores.methods_text(),
    }


if __name__ == "__main__":
    main()
