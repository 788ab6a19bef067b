from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from reference.forks import Program

from alignkit._config import dump_config, read_config
from alignkit.models import AdapterConfig, extract, load
from alignkit.models._tensor_file import write_tensors
from alignkit.models._weights import read_weights
from alignkit.rsa import Triplets
from alignkit.train import LoopConfig, OptimConfig, PersonalAdapters, personal_adapters, run
from alignkit.train.hba import _personal_train
from alignkit.train.hba._personal_adapters import adapter_settings, fit_adapters
from alignkit.train.hba._personal_task import PersonTask
from alignkit.train.hba.config import HBAConfig
from tests.reference.hba_runs import write_targets

#: What a run says of its own place, time and versions.
_OF_ITS_OWN = {"versions.json", "metrics.jsonl", "config.toml"}


@pytest.fixture(scope="module")
def study(lab, lab_data, tmp_path_factory):
    """A group's run, everybody's answers in a file (three people's, and three answers of a guest), and a config."""
    folder = tmp_path_factory.mktemp("study")
    answers, repeats = (part.take(part.participant != "p004") for part in (lab.triplets, lab.repeats))
    items = np.concatenate([answers.items[:120], repeats.items[:30], answers.items[200:203]])
    ids = [*answers.participant[:120], *repeats.participant[:30], *["guest"] * 3]
    Triplets(items, lab.labels, participant=ids).save(folder / "answers.npz")
    loop = LoopConfig(epochs=1, batch_size=9, device="cpu", progress=False, monitor="val_loss")
    group = HBAConfig(
        backbone="random:test_vit",
        text="minilm",
        img_size=32,
        images=lab_data.images[0][0].parents[1],
        targets=str(write_targets(folder / "targets.csv", lab_data)),
        root=folder,
        out=folder / "group",
        adapter=AdapterConfig(kind="lora", rank=2, dropout=0.1, image_blocks=1, text_blocks=0),
        optim=OptimConfig(lr=1e-3),
        loop=loop,
    )
    run(group)
    return HBAConfig(
        subject="all",
        personal="adapter",
        start=folder / "group",
        triplets=folder / "answers.npz",
        n_bootstrap=50,
        out=folder / "people",
        loop=dataclasses.replace(loop, epochs=2, batch_size=16),
        optim=OptimConfig(lr=1e-2),
        prior=20.0,
    )


@pytest.fixture(scope="module")
def everybody(study):
    """Models of all people, and the training, choosing and scoring answers of every fit."""
    seen = []
    own = _personal_train._fit

    def noting(shared, subject, fold, folder, processes):
        task, history = own(shared, subject, fold, folder, processes)
        seen.append((shared.study, subject, fold, task.person))
        return task, history

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_personal_train, "_fit", noting)
        return personal_adapters(study), seen


def files_of(folder: Path) -> dict[str, str]:
    """The checksum of every file that a run is for."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _OF_ITS_OWN and "cache" not in path.parts
    }


def numbers_of(person):
    return [value for value in dataclasses.astuple(person) if isinstance(value, float)]


# --- what comes out


def test_everybody_gets_a_folder_and_is_compared(study, everybody, lab):
    models, _ = everybody
    assert models.subjects == lab.participants[:3]
    assert [person.n_answers for person in models.people] == [50] * 3
    assert models.matrix.shape == (3, 3)
    assert {test.name.partition(",")[0] for test in models.tests} == {"accuracy", "log-likelihood per answer"}
    for place, person in enumerate(models.people):
        assert person.own == pytest.approx(models.matrix[place, place])
        assert person.others == pytest.approx(np.delete(models.matrix[:, place], place).mean())
        assert person.over_group == pytest.approx(person.own - person.group)
        assert 0 <= person.ceiling <= 1 or np.isnan(person.ceiling)
    assert {path.name for path in study.out.glob("subject-*")} == {f"subject-p00{k}" for k in range(1, 4)}
    assert "possibly optimistic: the group's embedding was fitted to" in models.split
    assert models.prior == 20.0
    assert "20 further answers" in models.methods_text()
    assert "chosen on triplets left out of training" in models.methods_text()


def test_somebody_with_too_few_answers_is_named_in_one_sentence(everybody):
    models, _ = everybody
    assert models.notes == (
        "'guest' answered fewer than 10 different triplets, too few for a model of their own, and take no part.",
    )
    assert models.notes[0] in repr(models)


def test_no_model_is_scored_on_a_triplet_that_it_saw(everybody):
    _, seen = everybody
    assert [(subject, fold) for _, subject, fold, _ in seen] == [
        (f"p00{k}", fold) for k in range(1, 4) for fold in (0, 1, 2, 3, 4, None)
    ]
    for study, subject, fold, person in seen:
        train, val = ({frozenset(row) for row in part.items.tolist()} for part in (person.train, person.val))
        assert set(person.train.participant) | set(person.val.participant) == {subject}
        assert not train & val
        if fold is not None:
            held = {frozenset(row) for row in study.answers.items[study.folds == fold].tolist()}
            assert not (train | val) & held
        else:
            assert len(person.train) + len(person.val) == 50


def test_a_person_s_folder_loads_as_a_model(study, everybody, lab_data):
    photos = list(lab_data.photos[:4])
    group, first, second = (
        extract(load(f"run:{path}", device="cpu"), photos, progress=False).array()
        for path in (study.start, study.out / "subject-p001", study.out / "subject-p002")
    )
    assert group.shape == first.shape
    assert np.abs(first - second).max() > 1e-3
    manifest = json.loads((study.out / "subject-p001" / "model.json").read_text())
    assert (manifest["subject"], manifest["n_answers"]) == ("p001", 50)
    trained = everybody[0].n_parameters
    assert trained < 1000, "the projection is everybody's"
    assert (study.out / "subject-p001" / "adapter.safetensors").stat().st_size < 1 << 20


def test_what_only_training_needs_is_gone_and_the_frozen_part_is_the_group_s(study, everybody):
    assert not list(study.out.rglob("checkpoints"))
    assert not (study.out / "cache").exists()
    assert len(list((study.start / "cache").glob("prefix-*"))) == 1


def test_the_result_comes_back_from_its_file(study, everybody):
    models, _ = everybody
    again = PersonalAdapters.load(study.out / "personal.json")
    assert again.matrix == pytest.approx(models.matrix)
    assert again.kept_steps.tolist() == models.kept_steps.tolist()
    assert again.people == pytest.approx(models.people) or repr(again) == repr(models)
    assert len(models.to_dataframe()) == 3


def test_a_finished_run_is_returned_as_it_is(study, everybody, monkeypatch):
    monkeypatch.setattr(_personal_train, "_fit", lambda *_: pytest.fail("fitted again"))
    assert repr(personal_adapters(study)) == repr(everybody[0])
    with pytest.raises(FileExistsError, match="holds a run"):
        personal_adapters(study, resume="never")
    with pytest.raises(ValueError, match=r"other settings \(prior 20\.0, now 5\.0\)"):
        personal_adapters(dataclasses.replace(study, prior=5.0))


# --- one by one, in any order, cut off anywhere


def test_jobs_of_one_person_each_in_any_order_are_the_same_to_the_bit(study, everybody, tmp_path, monkeypatch):
    models, _ = everybody
    out = tmp_path / "people"
    alone = {
        subject: personal_adapters(dataclasses.replace(study, subject=subject, out=out)) for subject in ("p003", "p001")
    }
    for subject, one in alone.items():
        assert [person.subject for person in one.people] == [subject]
        assert (one[subject].own, one[subject].group, one[subject].shared) == (
            models[subject].own,
            models[subject].group,
            models[subject].shared,
        )
        assert np.isnan(one[subject].others)
        assert one.tests == ()
        assert one.verdict.startswith(f"{subject}: ")
        assert "other people" not in one[subject].verdict
    before = files_of(out / "subject-p003")
    fitted = []
    own = _personal_train._fit
    monkeypatch.setattr(
        _personal_train, "_fit", lambda shared, subject, *rest: fitted.append(subject) or own(shared, subject, *rest)
    )
    all_of_them = personal_adapters(dataclasses.replace(study, out=out))
    assert set(fitted) == {"p002"}, "who was done is left alone"
    assert files_of(out / "subject-p003") == before
    assert repr(all_of_them) == repr(models)
    expected = files_of(study.out)
    assert {name: value for name, value in files_of(out).items() if name in expected} == expected


def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(study, everybody, tmp_path, monkeypatch):
    calls = []
    own = PersonTask.loss

    def cut_off(self, outputs, targets, /):
        calls.append(self.person.subject)
        if len(calls) == 45:
            raise MemoryError
        return own(self, outputs, targets)

    config = dataclasses.replace(study, out=tmp_path / "people")
    with monkeypatch.context() as patch:
        patch.setattr(PersonTask, "loss", cut_off)
        with pytest.raises(MemoryError):
            personal_adapters(config)
    whole = len(calls)
    monkeypatch.setattr(PersonTask, "loss", lambda self, *rest: calls.append(self.person.subject) or own(self, *rest))
    personal_adapters(config)
    assert "p001" not in calls[whole:] or calls[whole - 1] == "p001"
    assert files_of(config.out) == files_of(study.out)


def killed_at(step, config):
    """Train in a process that is killed as it computes the loss of a step."""
    calls, own = [], PersonTask.loss

    def kill(self, *rest):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(self, *rest)

    PersonTask.loss = kill
    personal_adapters(read_config(config, HBAConfig))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(study, everybody, tmp_path):
    config = dataclasses.replace(study, out=tmp_path / "people")
    dump_config(config, tmp_path / "config.toml")
    with Program(tmp_path / "said", killed_at, 60, tmp_path / "config.toml") as program:
        assert program.wait() == -signal.SIGKILL, program.stderr
    done = (config.out / "subject-p001" / "finished.json").stat().st_mtime_ns
    assert not (config.out / "subject-p003" / "finished.json").exists()
    personal_adapters(config)
    assert (config.out / "subject-p001" / "finished.json").stat().st_mtime_ns == done
    assert files_of(config.out) == files_of(study.out)


# --- data that no config names, and refusals


def test_a_lab_s_people_are_trained_on_data_that_no_config_names(study, lab_data, tmp_path):
    answers = lab_data.answers.take(np.arange(60))
    config = dataclasses.replace(study, subject="p002", out=tmp_path / "out", triplets=None, prior=None)
    models = fit_adapters(dataclasses.replace(lab_data, answers=answers), config)
    assert models["p002"].n_answers == 15
    assert models.prior == 300.0


def test_data_and_model_are_the_group_s_and_training_is_one_s_own(study):
    settings = adapter_settings(study)
    assert settings.backbone == "random:test_vit"
    assert settings.adapter.rank == 2
    assert (settings.loss, settings.answers) == ("triplets", "human")
    assert (settings.loop.epochs, settings.loop.monitor, settings.optim.lr) == (2, "val_loss", 1e-2)
    by_accuracy = dataclasses.replace(study.loop, monitor="val_answer_accuracy", mode="max")
    assert adapter_settings(dataclasses.replace(study, loop=by_accuracy)).loop.mode == "max"
    by_rdm = dataclasses.replace(study.loop, monitor="val_rdm_spearman", mode="max")
    assert adapter_settings(dataclasses.replace(study, loop=by_rdm)).loop.monitor == "val_loss"


def test_who_cannot_be_trained_is_said(study, tmp_path, monkeypatch):
    def refused(words, **changes):
        with pytest.raises(ValueError, match=words):
            personal_adapters(dataclasses.replace(study, out=tmp_path / "out", **changes))

    refused(r"personal models need subject= .* and start=", start=None)
    refused(r"personal models need subject= .* and start=", subject=None)
    refused("subject 'p01' gave no answers; 4 people did", subject="p01")
    refused("subject 'guest' answered fewer than 10 different triplets", subject="guest")
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    refused("people's models are trained in one process")
    assert not (tmp_path / "out").exists()


def test_other_answers_or_another_group_than_those_of_who_is_done_are_refused(study, tmp_path):
    path = shutil.copyfile(study.triplets, tmp_path / "answers.npz")
    start = shutil.copytree(study.start, tmp_path / "group")
    config = dataclasses.replace(study, subject="p001", out=tmp_path / "out", triplets=path, start=start)
    personal_adapters(config)
    (config.out / "subject-p001" / "personal.json").unlink()
    outcome = config.out / "subject-p001" / "fold-1" / "held-out.safetensors"

    answers = Triplets.load(path)
    answers.take(np.arange(len(answers) - 10)).save(path)
    with pytest.raises(ValueError, match=r"held-out\.safetensors is about other answers than those that are read now"):
        personal_adapters(config)
    answers.save(path)

    manifest, weights = start / "model.json", start / "adapter.safetensors"
    saved = {file: file.read_bytes() for file in (manifest, weights)}
    trained = {name: value * 1.1 if "lora" in name else value for name, value in read_weights(weights).items()}
    checksum = write_tensors(weights, trained)
    manifest.write_text(json.dumps({**json.loads(saved[manifest]), "tensors_sha256": checksum}))
    with pytest.raises(ValueError, match=r"who started at another model than .*group holds now"):
        personal_adapters(config)
    for file, content in saved.items():
        file.write_bytes(content)

    whole = outcome.read_bytes()
    outcome.write_bytes(whole[:-3])
    with pytest.raises(ValueError, match="damaged"):
        personal_adapters(config)
    outcome.write_bytes(whole)
    personal_adapters(config)
