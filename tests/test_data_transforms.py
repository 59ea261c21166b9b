"""Transforms: what they do to a batch, that each sample draws for itself, and that a seed settles everything."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data

IMAGES = np.random.default_rng(0).random((200, 3, 6, 5)).astype(np.float32)
RANDOM = {
    "crop": data.RandomCrop(4, 1),
    "shift": data.RandomShift(2),
    "flip": data.RandomHorizontalFlip(),
    "noise": data.GaussianNoise(0.1),
    "cutout": data.Cutout(3),
}


# -------------------------------------------------------------------------------------------------------------- values


def test_normalize():
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    y = data.Normalize(mean, std)(IMAGES)
    assert y.dtype == np.float32
    for c in range(3):
        np.testing.assert_allclose(y[:, c], (IMAGES[:, c] - mean[c]) / std[c], rtol=1e-6, atol=1e-7)
    pixels = np.array([[0, 255]], np.uint8)
    assert data.Normalize(127.5, 127.5)(pixels).tolist() == [[-1, 1]]
    assert data.Normalize(0.5, 0.5)(np.array([0.0, 1.0])).tolist() == [-1, 1]  # mean .5, std .5: from −1 to 1
    assert data.Normalize(0, 1)(np.zeros(2, np.float64)).dtype == np.float64
    np.testing.assert_allclose(data.Normalize(mean, std).inverse(y), IMAGES, atol=1e-6)


def test_scale():
    y = data.Scale()(np.array([0, 51, 255], np.uint8))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, [0, 0.2, 1], rtol=1e-6)


def test_standardize_learns_from_the_training_part_alone():
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(5, 3, (500, 4)), rng.normal(9, 1, (100, 4))
    standardize = data.Standardize().fit(training)
    y = standardize(training)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-12)
    z = standardize(held_out)
    np.testing.assert_allclose(z, (held_out - training.mean(0)) / training.std(0))
    assert abs(z.mean()) > 1
    np.testing.assert_allclose(standardize.inverse(z), held_out)


def test_standardize_channels_and_constants():
    y = data.Standardize().fit(mg.tensor(IMAGES))(mg.tensor(IMAGES)).numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, rtol=1e-5)
    x = np.array([[0.1, 1], [0.1, 3], [0.1, 5]])
    assert np.abs(data.Standardize().fit(x)(x)[:, 0]).max() < 1e-15
    assert data.Standardize().fit([1.0, 3.0])(np.array([1.0, 3.0])).tolist() == [-1, 1]


def test_one_hot():
    y = data.OneHot(3)(np.array([2, 0]))
    assert (y.tolist(), y.dtype) == ([[0, 0, 1], [1, 0, 0]], np.float32)
    assert data.OneHot(3)(mg.tensor([1])).tolist() == [[0, 1, 0]]


# -------------------------------------------------------------------------------------------------------- augmentation


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_settles_what_is_drawn(name):
    t = RANDOM[name]
    a, b, c = t(IMAGES, 1), t(IMAGES, mg.Generator(1)), t(IMAGES, 2)
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    mg.seed(1)
    np.testing.assert_array_equal(t(IMAGES), a)
    tensor = t(mg.tensor(IMAGES), 1)
    assert isinstance(tensor, mg.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), a)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_data_stays_and_so_does_the_dtype(name, dtype):
    x = (IMAGES * 255).astype(dtype)
    before = x.copy()
    y = RANDOM[name](x, 0)
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(x, y)
    assert y.dtype == (np.float32 if name == "noise" and dtype == np.uint8 else dtype)
    assert RANDOM[name](x[:0], 0).shape == (0, *y.shape[1:])
    assert RANDOM[name](x[:, 0], 0).shape == (len(x), *y.shape[2:])


def pieces(image, height, width):
    """All pieces of an image, by their corner."""
    _, h, w = image.shape
    return {
        (i, j): image[:, i : i + height, j : j + width] for i in range(h - height + 1) for j in range(w - width + 1)
    }


def test_each_crop_is_a_piece_and_all_corners_come():
    found = set()
    margin = np.pad(IMAGES, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=7)
    for image, crop in zip(margin, data.RandomCrop((4, 5), padding=1, fill=7)(IMAGES, 0)):
        corners = [c for c, piece in pieces(image, 4, 5).items() if (piece == crop).all()]
        assert len(corners) == 1
        found |= set(corners)
    assert found == {(i, j) for i in range(5) for j in range(3)}


def test_shifts_go_both_ways():
    dot = np.zeros((500, 1, 7, 7), np.uint8)
    dot[:, 0, 3, 3] = 9
    y = data.RandomShift(2)(dot, 0)
    assert (y.sum((1, 2, 3)) == 9).all()
    assert {(int(i), int(j)) for _, _, i, j in np.argwhere(y)} == {(i, j) for i in range(1, 6) for j in range(1, 6)}
    np.testing.assert_array_equal(data.RandomShift(0)(IMAGES, 0), IMAGES)


def test_flips():
    y = data.RandomHorizontalFlip(0.3)(IMAGES, 0)
    flipped = [(a != b).any() for a, b in zip(IMAGES, y)]
    assert 35 <= sum(flipped) <= 85  # 60 ± 4σ
    for a, b, mirrored in zip(IMAGES, y, flipped):
        np.testing.assert_array_equal(b, a[..., ::-1] if mirrored else a)
    np.testing.assert_array_equal(data.RandomHorizontalFlip(1)(IMAGES, 0), IMAGES[..., ::-1])
    np.testing.assert_array_equal(data.RandomHorizontalFlip(0)(IMAGES, 0), IMAGES)


def test_noise():
    e = data.GaussianNoise(0.5)(np.zeros((100, 1, 20, 20)), 0)
    assert abs(e.mean()) < 0.01
    assert abs(e.std() - 0.5) < 0.01
    assert len(np.unique(e)) > 39_000


@given(st.integers(1, 9), st.integers(0, 1000))
def test_cutout_is_one_square(size, seed):
    y = data.Cutout(size)(np.ones((20, 2, 6, 5)), seed)
    for image in y:
        assert (image[0] == image[1]).all(), "the same hole in each channel"
        rows, columns = np.nonzero((image[0] == 0).any(1))[0], np.nonzero((image[0] == 0).any(0))[0]
        assert 0 < len(rows) <= size
        assert 0 < len(columns) <= size
        assert (image[0][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 0).all()
        assert (image[0] == 0).sum() == len(rows) * len(columns)


def test_compose():
    both = data.Compose([data.RandomHorizontalFlip(), lambda x: x * 2, data.GaussianNoise(0.1)])
    assert both.random
    assert not data.Compose([data.Scale(), np.abs]).random
    rng = np.random.default_rng(5)
    y = data.GaussianNoise(0.1)(data.RandomHorizontalFlip()(IMAGES, rng) * 2, rng)
    np.testing.assert_array_equal(both(IMAGES, np.random.default_rng(5)), y)


# ------------------------------------------------------------------------------------------------ in loaders and sets


def test_a_loader_transforms_batches():
    dataset = data.TensorDataset(IMAGES[:10], np.arange(10) % 3)
    (x, y), *_ = data.DataLoader(dataset, 4, transform=data.Scale(2.0))
    np.testing.assert_allclose(x.numpy(), 2 * IMAGES[:4])
    assert y.tolist() == [0, 1, 2, 0]
    (x, y), *_ = data.DataLoader(dataset, 4, transform=(None, data.OneHot(3)))
    np.testing.assert_array_equal(x.numpy(), IMAGES[:4])
    assert y.shape == (4, 3)


def test_transforms_of_other_structures():
    Pair = namedtuple("Pair", "image label")
    (batch,) = data.DataLoader([Pair(np.ones(2), 1)], transform=data.Scale(3.0))
    assert type(batch) is Pair
    assert batch.image.tolist() == [[3, 3]]
    (batch,) = data.DataLoader([{"x": np.ones(2), "name": "a"}], transform={"x": data.Scale(3.0)})
    assert (batch["x"].tolist(), batch["name"]) == ([[3, 3]], ["a"])
    (lengths,) = data.DataLoader(["ab", "c"], 2, transform=lambda texts: np.array([len(t) for t in texts]))
    assert lengths.tolist() == [2, 1]


def test_each_epoch_and_batch_draws_anew():
    dataset = data.TensorDataset(np.zeros((6, 1, 4, 4), np.float32))
    loader = data.DataLoader(dataset, 2, transform=data.GaussianNoise(1.0), generator=0)
    epochs = [np.stack([x.numpy() for (x,) in loader]) for _ in range(3)]
    assert len({batch.tobytes() for epoch in epochs for batch in epoch}) == 9


def test_a_transformed_data_set():
    dataset = data.TensorDataset(IMAGES[:5], np.arange(5))
    twice = data.TransformedDataset(dataset, (data.Scale(2.0), data.OneHot(5)))
    assert len(twice) == 5
    x, y = twice[3]
    np.testing.assert_allclose(x.numpy(), 2 * IMAGES[3])
    assert y.tolist() == [0, 0, 0, 1, 0]
    assert twice[-1][1].tolist() == [0, 0, 0, 0, 1]
    assert len(list(twice)) == 5
    (first, _), *_ = data.DataLoader(twice, 5)
    np.testing.assert_allclose(first.numpy(), 2 * IMAGES[:5])


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        (lambda: data.Normalize([0.5] * 3, 0.0), ValueError, "std must be finite and not 0, got 0.0"),
        (lambda: data.Normalize([0.0] * 2, 1.0)(IMAGES), ValueError, r"2 channels, but axis 1 of \(200, 3, 6, 5\)"),
        (lambda: data.Standardize()(IMAGES), RuntimeError, r"call fit\(x\) on the training data first"),
        (lambda: data.Standardize().fit(IMAGES[:0]), ValueError, "nothing to fit"),
        (lambda: data.OneHot(3)(np.array([3])), IndexError, "3"),
        (lambda: data.OneHot(3)(np.array([0.0])), TypeError, "one_hot: .* integers"),
        (lambda: data.RandomCrop(9)(IMAGES), ValueError, "no 9 × 9 piece in images of 6 × 5 with a margin of 0"),
        (lambda: data.RandomCrop(3)(IMAGES[0, 0]), ValueError, r"expected images .* got \(6, 5\)"),
        (lambda: data.RandomHorizontalFlip(2), ValueError, "p is a probability, not 2"),
        (lambda: data.GaussianNoise(-1), ValueError, "not below 0"),
        (lambda: data.Cutout(0), ValueError, "size must be a whole number"),
        (lambda: data.Scale()(mg.ones(2).to("standin")), TypeError, "on standin:0; keep the data on the host"),
        (lambda: data.TransformedDataset([1], (None, data.Cutout(1))), TypeError, "give it to DataLoader"),
        (lambda: list(data.DataLoader([1], transform=(None, None))), ValueError, "2 transforms, .* 1 fields"),
        (lambda: list(data.DataLoader([{"a": 1}], transform=np.abs)), TypeError, r"transform=\{'a': …\}"),
        (lambda: list(data.DataLoader([{"a": 1}], transform={"b": np.abs})), KeyError, "no field 'b'"),
    ],
)
def test_transforms_that_do_not_fit(do, error, words):
    with pytest.raises(error, match=words):
        do()
