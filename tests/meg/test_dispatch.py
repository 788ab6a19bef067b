"""Little work stays with numpy; much goes to the compiled kernels, and all the more once they are there."""

from __future__ import annotations

from alignkit.meg import _dispatch
from alignkit.meg._dispatch import decision_kernels


def test_the_kernel_follows_the_work(monkeypatch):
    assert decision_kernels(1e9).__name__.endswith("_numba")
    assert decision_kernels(1e7).__name__.endswith("_numba")
    assert decision_kernels(1e3).__name__.endswith("_numpy")
    monkeypatch.setattr(_dispatch.util, "find_spec", lambda name: None)
    assert decision_kernels(1e9).__name__.endswith("_numpy")
