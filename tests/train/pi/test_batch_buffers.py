"""Memory is used again, but never under a batch that somebody still holds."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from alignkit.train.pi._batch_buffers import BatchBuffers


def test_memory_goes_on_to_the_next_batch():
    buffers = BatchBuffers()
    first = buffers.take((4, 3))
    where = first.data_ptr()
    del first
    second = buffers.take((4, 3))
    assert (second.data_ptr(), second.shape, second.dtype) == (where, (4, 3), torch.float32)


@pytest.mark.parametrize(
    "hold", [lambda x: x, lambda x: x[1:, :1], lambda x: x.numpy()[1], lambda x: x.T.reshape(3, 4)]
)
def test_what_is_held_is_left_alone(hold):
    buffers = BatchBuffers()
    held = hold(buffers.take((4, 3)).fill_(7))
    for _ in range(3):
        buffers.take((4, 3)).fill_(1)
    assert (held == 7).all()


def test_what_a_backward_pass_needs_is_left_alone():
    buffers = BatchBuffers()
    weight = torch.ones(3, requires_grad=True)
    loss = (buffers.take((4, 3)).fill_(7) * weight).sum()
    buffers.take((4, 3)).fill_(1)
    loss.backward()
    assert weight.grad.tolist() == [28.0, 28.0, 28.0]


def test_memory_of_other_shapes_is_given_back():
    buffers = BatchBuffers()
    for n in range(1, 9):
        buffers.take((n, 3))
    assert len(buffers._arrays) == 1
    held = [buffers.take((2, 2)) for _ in range(3)]
    assert len({tensor.data_ptr() for tensor in held}) == 3
    del held
    pointers = {buffers.take((2, 2)).data_ptr() for _ in range(10)}
    assert len(pointers) <= 3
