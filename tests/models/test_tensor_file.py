"""Tensors in a safetensors file: safetensors itself reads them, and damage is noticed."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from alignkit.models._tensor_file import as_tensors_path, read_tensors, write_tensors

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
OTHERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32]


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(12.0).reshape(3, 4)
    return {
        "model.weight": shared,
        "model.tied": shared,
        "transposed": shared.T,
        "every second": shared[:, ::2],
        "scalar": torch.tensor(float("nan")),
        "empty": torch.zeros(0, 3),
        "no bytes": torch.zeros(2, 0, dtype=torch.bool),
        "größe": torch.tensor([-0.0, float("inf")]),
        **{str(dtype): torch.tensor([0, 1, 2]).to(dtype) for dtype in FLOATS + OTHERS},
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def bits(tensor: torch.Tensor) -> list[int]:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).tolist()


def test_safetensors_reads_the_same_bits(tmp_path):
    path, expected = tmp_path / "a.safetensors", tensors()
    checksum = write_tensors(path, expected)
    assert checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    for found in (load_file(path), read_tensors(path, checksum)):
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert found[name].shape == tensor.shape
            assert bits(found[name]) == bits(tensor)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_no_tensors_are_a_file_too(tmp_path):
    assert read_tensors(tmp_path / "a", write_tensors(tmp_path / "a", {})) == {}


@pytest.mark.parametrize("change", ["truncate", "flip", "extend", "header"])
def test_damage_is_noticed(tmp_path, change):
    path = tmp_path / "a.safetensors"
    checksum = write_tensors(path, {"x": torch.arange(5.0)})
    content = bytearray(path.read_bytes())
    if change == "truncate":
        del content[-3:]
    elif change == "flip":
        content[-1] ^= 1
    elif change == "extend":
        content += b"x"
    else:
        content[8] = 0
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.safetensors is truncated or damaged"):
        read_tensors(path, checksum)


def test_what_is_no_safetensors_file_is_refused_even_with_its_checksum(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_tensors(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_tensors(tmp_path / "b", "")
    (tmp_path / "c").mkdir()
    with pytest.raises(IsADirectoryError, match="a file is expected"):
        read_tensors(tmp_path / "c", "")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (torch.eye(3).to_sparse(), "a torch.sparse_coo tensor of torch.float32"),
        (torch.ones(2, dtype=torch.complex64), "a tensor of torch.complex64"),
        (torch.ones(2, device="meta"), "a tensor of torch.float32 without values"),
        ([1.0], "a list"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path, value, what):
    with pytest.raises(TypeError, match=f"^x cannot be saved: .*; got {what}") as caught:
        write_tensors(tmp_path / "a", {"fine": torch.ones(1), "x": value})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_header_is_aligned_and_plain(tmp_path):
    write_tensors(tmp_path / "a", {"x": torch.ones(1)})
    content = (tmp_path / "a").read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert size % 8 == 0
    assert json.loads(content[8 : 8 + size])["x"] == {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def test_each_tensor_starts_at_a_multiple_of_its_item(tmp_path):
    write_tensors(tmp_path / "a", tensors())
    content = (tmp_path / "a").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for name, tensor in tensors().items():
        assert (start + header[name]["data_offsets"][0]) % tensor.element_size() == 0


def test_metadata_are_in_the_header(tmp_path):
    write_tensors(tmp_path / "a.safetensors", {"x": torch.ones(1)}, metadata={"dimensions": '["größe"]'})
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt", "dimensions": '["größe"]'}


def test_a_file_of_another_name_is_refused(tmp_path):
    assert as_tensors_path(str(tmp_path / "a.safetensors")) == tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match=r"^out must be the name of a \.safetensors file; got 'a\.pt'\.$"):
        as_tensors_path("a.pt")
