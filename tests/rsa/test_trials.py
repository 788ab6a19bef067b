"""Triplets and 2AFC trials survive their files and tables."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import Triplets, TwoAFC

LABELS = ["chat", "chien", "été", "auto"]


def full_triplets():
    return Triplets(
        [[0, 1, 2], [3, 1, 0]],
        LABELS,
        participant=["p1", "p2"],
        response_time=[0.5, np.nan],
        repeat=[0, 1],
        soft=[[0.2, 0.3, 0.5], [1, 0, 0]],
    )


def test_triplets_round_trip(tmp_path):
    before = full_triplets()
    before.save(tmp_path / "t.npz")
    after = Triplets.load(tmp_path / "t.npz")
    assert after.labels == before.labels
    for name in ("items", "participant", "response_time", "repeat", "soft"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_bare_triplets_round_trip(tmp_path):
    Triplets([[0, 1, 2]]).save(tmp_path / "t.npz")
    after = Triplets.load(tmp_path / "t.npz")
    assert after.labels is None
    assert after.participant is None


def test_two_afc_round_trip(tmp_path):
    TwoAFC([[0, 1, 2]], [[3, 4]], LABELS).save(tmp_path / "t.npz")
    after = TwoAFC.load(tmp_path / "t.npz")
    assert after.votes.tolist() == [[3, 4]]
    assert after.labels == tuple(LABELS)


def test_tables_name_the_items():
    table = full_triplets().to_dataframe()
    assert table.loc[1, ["similar_a", "similar_b", "odd_one"]].tolist() == ["auto", "chien", "chat"]
    assert table["soft_odd_one"].tolist() == [0.5, 0.0]
    trials = TwoAFC([[0, 1, 2]], [[3, 4]]).to_dataframe()
    assert trials.iloc[0].to_dict() == {"reference": 0, "left": 1, "right": 2, "votes_left": 3, "votes_right": 4}


def test_files_of_another_kind_are_refused(tmp_path):
    full_triplets().save(tmp_path / "t.npz")
    with pytest.raises(ValueError, match="does not hold TwoAFC"):
        TwoAFC.load(tmp_path / "t.npz")
    np.savez(tmp_path / "plain.npz", items=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="does not hold Triplets"):
        Triplets.load(tmp_path / "plain.npz")
    with pytest.raises(ValueError, match=r"saved as \.npz"):
        full_triplets().save(tmp_path / "t.csv")
