"""``alignkit data list | fetch | import | path | verify``."""

from __future__ import annotations

from pathlib import Path


def test_data_list_and_path(run, here):
    code, out, _ = run("data", "list", "--root", "cache")
    assert code == 0
    assert "things" in out
    assert "cache" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run("data", "list", "material2afc", "--root", "cache")
    assert "licence:" in out
    assert "missing  triplets.npz" in out
    assert run("data", "path", "things", "item_names.tsv", "--root", "cache")[1] == "cache/things/item_names.tsv\n"
    assert not (here / "cache").exists()


def test_data_import_then_verify(run, here):
    (here / "download").mkdir()
    (here / "download" / "data.csv").write_text("id,left_vote,right_vote")
    code, _, _ = run("data", "import", "nights", "--from", "download", "--root", "cache", "--no-progress")
    assert code == 0
    assert Path("cache/nights/data.csv").read_text() == "id,left_vote,right_vote"
    assert run("data", "verify", "nights", "--root", "cache")[0] == 0
    Path("cache/nights/data.csv").write_text("changed")
    code, _, err = run("data", "verify", "nights", "--root", "cache")
    assert code == 2
    assert "data.csv (changed)" in err


def test_data_refusals(fails, here):
    known = "'algonauts78', 'cichy118', 'cifar10h'"
    for words in (["fetch", "thing"], ["verify", "thing"], ["path", "thing"], ["list", "thing"]):
        assert known in fails("data", *words)
    assert known in fails("data", "import", "thing", "--from", "x")
    assert fails("data", "fetch").startswith("name at least one data set: algonauts78, ")
    assert fails("data", "import", "nights") == "--from PATH is required."
    assert fails("data", "import", "nights", "--from", "no.zip", "--root", "cache") == "no.zip does not exist."
    assert "nights is not complete: data.csv (missing)" in fails("data", "verify", "nights", "--root", "c")
    assert "must be a path inside" in fails("data", "path", "things", "../../etc/passwd")


def test_real_data_verify(run, shared_data):
    root = shared_data("cifar10h").parent
    code, out, _ = run("data", "verify", "cifar10h", "--root", root)
    assert code == 0
    assert "ok       cifar10h-counts.npy" in out


def test_data_list_shows_cards(run, here):
    from alignkit.data import datasets

    code, out, _ = run("data", "list", "--long", "--root", "cache")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    flat = " ".join(out.split())
    for name, entry in datasets().items():
        assert f"{name}: {' '.join(entry.description.split())}" in flat
        for text in (entry.people, entry.shows, entry.cannot, entry.size, entry.licence, entry.citation):
            assert text in flat, name
    assert "4 people" in run("data", "list", "things_meg", "--root", "cache")[1]
