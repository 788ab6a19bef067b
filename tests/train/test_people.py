from __future__ import annotations

from alignkit.train._people import own_seed, person_folder


def test_seeds_are_a_function_of_seed_id_and_fold():
    seeds = [own_seed(seed, name, fold) for seed in (0, 1) for name in ("1", "11") for fold in (None, 0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 1 << 31 for seed in seeds)
    assert own_seed(0, "p001", None) == own_seed(0, "p001", None)


def test_ids_become_names_of_folders():
    assert person_folder("p001") == "subject-p001"
    assert person_folder("../a b") == "subject-..%2Fa%20b"
