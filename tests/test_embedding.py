"""Tables of vectors: repeated words, padding, and indices that are not there."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import functional as F


def test_repeated_words_get_the_sum_of_their_gradients(device):
    layer = nn.Embedding(4, 2, device=device)
    layer(mg.tensor([[1, 1], [1, 3]], device=device)).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]


def test_the_padding_row_starts_at_0_and_stays(device):
    for padding in (1, -3):
        layer = nn.Embedding(4, 2, padding_idx=padding, device=device)
        assert layer.padding_idx == 1
        assert layer.weight[1].tolist() == [0, 0]
        assert layer.weight[0].tolist() != [0, 0]
        layer(mg.tensor([1, 0, 1], device=device)).sum().backward()
        assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("padding", [None, 2, -1])
def test_padding_is_that_of_pytorch(padding):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    rng = np.random.default_rng(0)
    weight, indices, g = rng.normal(size=(4, 3)), rng.integers(0, 4, (5, 2)), rng.normal(size=(5, 2, 3))
    a, b = mg.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
    ours = F.embedding(mg.tensor(indices), a, padding)
    theirs = torch.nn.functional.embedding(torch.tensor(indices), b, padding)
    ours.backward(mg.tensor(g))
    theirs.backward(torch.tensor(g))
    assert np.array_equal(ours.detach().numpy(), theirs.detach().numpy())
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-14)


def test_from_pretrained():
    table = np.arange(6.0).reshape(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert frozen.weight.tolist() == table.tolist()
    assert frozen.weight.dtype == np.float64
    assert not frozen.weight.requires_grad
    assert frozen([2, 0]).tolist() == [[4, 5], [0, 1]]
    table[0, 0] = 9
    assert frozen.weight[0].tolist() == [0, 1]
    free = nn.Embedding.from_pretrained(mg.tensor(table, requires_grad=True), freeze=False, padding_idx=0)
    assert free.weight.requires_grad
    assert free.weight[0].tolist() == [9, 1]  # what is given is kept
    assert free.padding_idx == 0
    with pytest.raises(ShapeError, match=r"weight of shape \(3,\) must be a table"):
        nn.Embedding.from_pretrained([1.0, 2.0, 3.0])


def test_indices_of_any_shape_and_kind(device):
    layer = nn.Embedding(4, 2, device=device)
    assert layer(mg.tensor(3, device=device)).shape == (2,)
    assert layer([[0, 1, 2]]).shape == (1, 3, 2)
    assert layer(np.array([1, 2], np.uint8)).shape == (2, 2)
    assert layer([]).shape == (0, 2)
    assert layer(np.zeros((0, 5), int)).shape == (0, 5, 2)


@pytest.mark.parametrize("index", [4, -1])
def test_an_index_out_of_range_is_told(index):
    with pytest.raises(IndexError) as caught:
        nn.Embedding(4, 2)(mg.tensor([[0, index]]))
    assert str(caught.value) == (
        f"Embedding(4, 2): embedding: index {index} is out of range for a table of 4 rows (0 … 3); "
        "is the vocabulary larger than num_embeddings?"
    )


def test_on_a_device_an_index_out_of_range_gives_nan():
    layer = nn.Embedding(4, 2, device="standin")
    y = layer(mg.tensor([3, 4, -1], device="standin"))
    assert np.isnan(y.detach().numpy()).tolist() == [[False, False], [True, True], [True, True]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]


def test_wrong_input_is_told():
    with pytest.raises(TypeError, match=r"^Embedding\(4, 2\): embedding: indices are integers, not float32; use"):
        nn.Embedding(4, 2)(mg.tensor([1.0]))
    with pytest.raises(ShapeError, match=r"weight of shape \(3,\) must be a table \(V, D\)"):
        F.embedding([0], mg.zeros(3))
    with pytest.raises(ValueError, match="padding_idx 4 is no row of a table of 4 rows"):
        nn.Embedding(4, 2, padding_idx=4)


def test_rows_start_normal():
    weight = nn.Embedding(200, 50, rng=mg.Generator(0)).weight.detach().numpy()
    assert abs(weight.mean()) < 0.05
    assert weight.std() == pytest.approx(1, rel=0.02)
