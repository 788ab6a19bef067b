from __future__ import annotations

import dataclasses

import pytest

from alignkit.models import AdapterConfig, extract, load
from alignkit.train import LoopConfig, OptimConfig, PersonalModels, run
from alignkit.train.hba._personal_run import run_personal, with_settings_of
from alignkit.train.hba.config import HBAConfig


@pytest.fixture(scope="module")
def study(lab, lab_data, tmp_path_factory):
    """A group's run of a study, the file of people's answers, and the run's config."""
    folder = tmp_path_factory.mktemp("study")
    rows = [
        f"{label},{','.join(map(repr, row))}"
        for label, row in zip(lab_data.labels, lab_data.targets.tolist(), strict=True)
    ]
    (folder / "targets.csv").write_text("\n".join([f"item,{','.join(lab_data.dimensions)}", *rows]) + "\n")
    lab.triplets.save(folder / "answers.npz")
    config = HBAConfig(
        backbone="random:test_vit",
        text="minilm",
        img_size=32,
        images=lab_data.images[0][0].parents[1],
        targets=str(folder / "targets.csv"),
        root=folder,
        out=folder / "group",
        adapter=AdapterConfig(kind="lora", rank=2, dropout=0.0, image_blocks=1, text_blocks=0),
        optim=OptimConfig(lr=1e-3),
        loop=LoopConfig(epochs=2, batch_size=9, device="cpu", progress=False, monitor="val_loss"),
    )
    run(config)
    return folder, config


@pytest.fixture(scope="module")
def personal(study):
    folder, _ = study
    loop = LoopConfig(device="cpu", progress=False)
    config = HBAConfig(
        subject="all",
        start=folder / "group",
        triplets=folder / "answers.npz",
        prior=4.0,
        n_bootstrap=50,
        out=folder / "people",
        loop=loop,
    )
    return config, run_personal(config)


def test_everybody_gets_a_file_beside_the_group_s_model(personal, lab):
    config, models = personal
    assert models.subjects == lab.participants
    assert models.dimensions == lab.dimension_names
    assert sum(person.n_answers for person in models.people) == len(lab.triplets)
    names = {path.name for path in config.out.glob("subject-*.json")}
    assert names == {f"subject-p{p:03d}.json" for p in range(1, 5)}
    again = PersonalModels.load(config.out / "personal.json")
    assert again.log_weights == pytest.approx(models.log_weights)
    assert (config.out / "adapter.safetensors").stat().st_size < 1 << 20
    assert "possibly optimistic: the group's embedding was fitted to" in models.split


def test_a_person_s_file_loads_as_a_model(personal, lab_data):
    config, models = personal
    group = load(f"run:{config.out}", device="cpu")
    person = load(f"run:{config.out / 'subject-p003.json'}", device="cpu")
    photos = list(lab_data.photos[:5])
    low, high = lab_data.scale
    in_units = [
        low + extract(model, photos, progress=False).array().astype(float) / 100 * (high - low)
        for model in (group, person)
    ]
    assert in_units[1] == pytest.approx(models.model("p003").apply(in_units[0]), rel=1e-3, abs=1e-4)
    assert person.settings["subject"] == "p003"
    without_ending = load(f"run:{config.out / 'subject-p003'}", device="cpu")
    assert extract(without_ending, photos[:1], progress=False).array() == pytest.approx(
        extract(person, photos[:1], progress=False).array()
    )


def test_a_finished_run_is_returned_as_it_is(personal, monkeypatch):
    config, models = personal
    monkeypatch.setattr("alignkit.train.hba._personal_run._fit", lambda config: pytest.fail("fitted again"))
    assert run_personal(config).matrix == pytest.approx(models.matrix)
    with pytest.raises(FileExistsError, match="holds a run"):
        run_personal(config, resume="never")
    with pytest.raises(ValueError, match="prior"):
        run_personal(dataclasses.replace(config, prior=5.0))


def test_one_person_is_compared_with_all_others(personal, study):
    folder, _ = study
    config, models = personal
    one = run_personal(dataclasses.replace(config, subject="p002", out=folder / "one"))
    assert [person.subject for person in one.people] == ["p002"]
    assert one["p002"].own == models["p002"].own
    assert one["p002"].others == models["p002"].others
    assert [path.name for path in (folder / "one").glob("subject-*.json")] == ["subject-p002.json"]


def test_an_unknown_person_is_refused(personal, study, tmp_path):
    config, _ = personal
    with pytest.raises(ValueError, match="subject 'p02' gave no answers; 4 people did"):
        run_personal(dataclasses.replace(config, subject="p02", out=tmp_path / "out"))


def test_a_start_and_a_subject_are_needed(personal):
    config, _ = personal
    for change in ({"subject": None}, {"start": None}):
        with pytest.raises(ValueError, match=r"personal models need subject= .* and start="):
            run_personal(dataclasses.replace(config, **change))


def test_answers_have_to_say_who_gave_them(personal, study, tmp_path, lab):
    from alignkit.rsa import Triplets

    config, _ = personal
    Triplets(lab.triplets.items, lab.labels).save(tmp_path / "nobody.npz")
    change = {"triplets": tmp_path / "nobody.npz", "out": tmp_path / "out"}
    with pytest.raises(ValueError, match="personal models need answers that say who gave them"):
        run_personal(dataclasses.replace(config, **change))


def test_what_is_said_wins_over_the_group_s_settings(study):
    _, config = study
    asked = HBAConfig(subject="3", n_bootstrap=7, start=config.out)
    settings = with_settings_of(config.out, asked)
    assert (settings.images, settings.targets, settings.backbone) == (config.images, config.targets, config.backbone)
    assert (settings.n_bootstrap, settings.subject) == (7, "3")


def test_a_run_of_one_person_is_sent_to_where_it_is_compared(study):
    folder, config = study
    with pytest.raises(ValueError, match=r"call personal_adapters\(config\), or fit_personal"):
        run(dataclasses.replace(config, subject="p001", personal="adapter", out=folder / "alone"))
