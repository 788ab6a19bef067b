"""CLIP_benchmark's files: what it writes and publishes is read, and what is written it can read."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from alignkit.score import ClipBenchmarkRecord, read_clip_benchmark, write_clip_benchmark, zero_shot_accuracy

NAMES = {"dataset": "vtab/dtd", "model": "ViT-B-32", "pretrained": "laion2b", "task": "zeroshot_classification"}


def test_a_record_there_and_back(tmp_path):
    accuracy = zero_shot_accuracy(np.eye(3), np.eye(3), [0, 1, 1], n_bootstrap=0)
    record = ClipBenchmarkRecord(**NAMES, metrics=accuracy.metrics(), language="en")
    write_clip_benchmark(tmp_path / "one.json", record)
    content = json.loads((tmp_path / "one.json").read_text(), parse_constant=pytest.fail)
    assert list(content) == ["dataset", "model", "pretrained", "task", "metrics", "language"]
    assert content["metrics"] == {"acc1": 2 / 3, "acc5": None, "mean_per_class_recall": 0.75}
    (again,) = read_clip_benchmark(tmp_path / "one.json")
    assert math.isnan(again.metrics["acc5"])
    assert (again.dataset, again.metrics["acc1"]) == (record.dataset, record.metrics["acc1"])


def test_what_clip_benchmark_dumps(tmp_path):
    metrics = {"acc1": 0.5, "acc5": float("nan"), "mean_per_class_recall": 1}
    dump = {**NAMES, "metrics": metrics, "language": "en"}
    (tmp_path / "theirs.json").write_text(json.dumps(dump))  # with NaN, as Python's json writes it
    (tmp_path / "many.json").write_text(json.dumps([dump, {**dump, "dataset": "cars"}]))
    (record,) = read_clip_benchmark(tmp_path / "theirs.json")
    assert math.isnan(record.metrics["acc5"])
    assert record.metrics["mean_per_class_recall"] == 1.0
    assert [record.dataset for record in read_clip_benchmark(tmp_path / "many.json")] == ["vtab/dtd", "cars"]


def test_the_published_table(shared_data):
    path = shared_data("reference", "clip_benchmark", "benchmark.csv")
    records = read_clip_benchmark(path)
    assert len(records) == len(path.read_text().strip().splitlines()) - 1
    names = {(record.model, record.pretrained, record.dataset): record for record in records}
    openai = names["ViT-L-14-336", "openai", "imagenet-a"]
    assert openai.metrics == {"acc1": 0.7738666666666667, "acc5": 0.9362666666666668} | {
        "mean_per_class_recall": openai.metrics["mean_per_class_recall"]
    }
    retrieval = names["ViT-B-32", "openai", "flickr30k"]
    assert set(retrieval.metrics) == {"image_retrieval_recall@5", "text_retrieval_recall@5"}
    assert retrieval.task == "zeroshot_retrieval"
    assert retrieval.language == ""
    multilabel = names["ViT-B-32", "openai", "voc2007_multilabel"]
    assert set(multilabel.metrics) == {"mean_average_precision"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "{}", "result 1 must hold dataset, model"),
        ("x.json", "[1]", "result 1 must hold dataset, model"),
        ("x.json", '{"dataset": ', "not valid JSON"),
        (
            "x.json",
            json.dumps({**NAMES, "metrics": {"acc1": "high"}}),
            "in result 1, the metric 'acc1' must be a number",
        ),
        ("x.json", json.dumps({**NAMES, "metrics": {"acc1": True}}), "the metric 'acc1' must be a number"),
        ("x.json", json.dumps({**NAMES, "metrics": {"acc1": 1e400}}), "finite"),
        ("x.json", json.dumps({**NAMES, "metrics": [1]}), "metrics must be a mapping"),
        ("x.json", json.dumps({**NAMES, "task": 3, "metrics": {}}), "task must be a text; got 3"),
        ("x.csv", "acc1,dataset,model,pretrained\n1,a,b,c\n", "lacks the column"),
        ("x.csv", "acc1,dataset,model,pretrained,task\nhigh,a,b,c,d\n", "in result 1, the metric 'acc1'"),
        ("x.csv", "acc1,dataset,model,pretrained,task\n1,a,b\n", "breaks off"),
        ("x.csv", "", "empty"),
        ("x.txt", "a", "are .json or .csv files"),
    ],
)
def test_damaged_and_other_files_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_clip_benchmark(tmp_path / name)
    assert name in str(caught.value)


def test_large_files_and_folders_are_refused(tmp_path):
    with open(tmp_path / "large.json", "wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(ValueError, match="larger than 64 MiB"):
        read_clip_benchmark(tmp_path / "large.json")
    with pytest.raises(IsADirectoryError):
        read_clip_benchmark(tmp_path)
    with pytest.raises(TypeError, match="must be a ClipBenchmarkRecord"):
        write_clip_benchmark(tmp_path / "x.json", {**NAMES, "metrics": {}})
