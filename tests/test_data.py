"""Data: every sample is met exactly once, in an order that its seed settles, and in batches that are joined right."""

from __future__ import annotations

from collections import namedtuple
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data
from minigrad.data import DataLoader, Dataset, Subset, TensorDataset, collate, random_split
from tests.standin import transfers

sizes, seeds = st.integers(0, 40), st.integers(0, 2**32)


def numbered(n):
    """Sample i is (i, [i, −i])."""
    i = np.arange(n)
    return TensorDataset(i, np.stack([i, -i], 1).astype(np.float32))


class Squares:
    """A data set that gives one sample at a time, and counts."""

    def __init__(self, n):
        self.n, self.asked = n, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        assert type(i) is int
        self.asked += 1
        return i, float(i * i)


# -------------------------------------------------------------------------------------------------------------- digits


def test_digits():
    images, labels = data.digits()
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((1797, 8, 8), np.float32, (1797,), np.int64)
    assert (images.min().item(), images.max().item()) == (0, 1)
    assert np.bincount(labels.numpy()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (images[0] * 16).tolist()[:2] == [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]
    assert labels[:10].tolist() == list(range(10))
    assert ((images * 16) % 1 == 0).all().item()


def test_digits_are_images_of_their_labels():
    """Half of them know the other half by the nearest neighbour."""
    images, labels = (x.numpy() for x in data.digits())
    x = images.reshape(len(images), -1)
    known, new = x[::2], x[1::2]
    distances = (known**2).sum(1) - 2 * new @ known.T
    assert (labels[::2][distances.argmin(1)] == labels[1::2]).mean() > 0.97


def test_digits_say_where_they_come_from():
    text = (files("minigrad.data") / "digits.txt").read_text(encoding="utf8")
    for words in ("Alpaydin", "Kaynak", "CC BY 4.0", "scikit-learn", "BSD 3-Clause", "10.24432/C50P49"):
        assert words in text


def test_digits_belong_to_the_caller():
    data.digits()[0].data[...] = 7
    assert data.digits()[0].max().item() == 1


# ----------------------------------------------------------------------------------------------------------- data sets


def test_tensor_dataset():
    dataset = numbered(5)
    assert len(dataset) == 5
    i, pair = dataset[3]
    assert (i.item(), pair.tolist()) == (3, [3, -3])
    assert [x.tolist() for x in dataset[1:3]] == [[1, 2], [[1, -1], [2, -2]]]
    assert [x.tolist() for x in dataset.batch(np.array([4, 0]))] == [[4, 0], [[4, -4], [0, 0]]]
    assert [i.item() for i, _ in dataset] == list(range(5))
    assert TensorDataset([1.0, 2.0])[1][0].item() == 2


@pytest.mark.parametrize(
    ("tensors", "error", "words"),
    [
        ((), TypeError, "no tensors"),
        ((np.zeros(3), np.zeros((4, 2))), ValueError, r"one length, got \(3,\), \(4, 2\)"),
        ((np.zeros(3), np.zeros(())), ValueError, r"one length, got \(3,\), \(\)"),
    ],
)
def test_tensors_that_do_not_fit(tensors, error, words):
    with pytest.raises(error, match=words):
        TensorDataset(*tensors)


@pytest.mark.parametrize("whole", [numbered(10), Squares(10)], ids=["tensors", "one-by-one"])
def test_subset(whole):
    part = Subset(Subset(whole, [9, 7, 5, 3, 1]), [0, 4, 2])
    assert len(part) == 3
    assert [int(part[k][0]) for k in range(3)] == [int(part[k - 3][0]) for k in range(3)] == [9, 1, 5]
    assert part[:2][0].tolist() == [9, 1]
    assert part.batch(np.array([2, 2]))[0].tolist() == [5, 5]
    assert len(list(part)) == 3
    with pytest.raises(IndexError, match="index 10 is out of range for 10 samples"):
        Subset(whole, [3, 10])
    with pytest.raises(IndexError, match="index -1 is out of range"):
        Subset(whole, [-1])


def test_what_a_data_set_is():
    class Half(Dataset):
        def __len__(self):
            return 3

    assert isinstance(Squares(3), Dataset)
    assert isinstance([1, 2], Dataset)
    assert not isinstance(iter([1]), Dataset)
    with pytest.raises(TypeError, match="__getitem__"):
        Half()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), seeds)
def test_a_split_by_lengths_shares_everything_out(lengths, seed):
    parts = random_split(range(sum(lengths)), lengths, seed)
    assert [len(part) for part in parts] == lengths
    assert sorted(i for part in parts for i in part) == list(range(sum(lengths)))
    again = random_split(range(sum(lengths)), lengths, mg.Generator(seed))
    assert [list(p.indices) for p in again] == [list(p.indices) for p in parts]


@given(sizes, st.lists(st.integers(0, 10), min_size=1, max_size=4).filter(any))
def test_a_split_by_fractions_is_off_by_less_than_one(n, weights):
    fractions = [w / sum(weights) for w in weights]
    parts = random_split(range(n), fractions, 0)
    assert sorted(i for part in parts for i in part) == list(range(n))
    assert all(abs(len(part) - n * f) < 1 + 1e-6 for part, f in zip(parts, fractions))


def test_splits():
    assert [len(p) for p in random_split(range(1797), (0.8, 0.2), 0)] == [1438, 359]
    assert [len(p) for p in random_split(range(10), (0.7, 0.2, 0.1), 0)] == [7, 2, 1]
    a, b = (random_split(range(100), (50, 50), seed)[0].indices for seed in (0, 1))
    assert (a != b).any()
    mg.seed(5)
    first = random_split(range(100), (50, 50))[0].indices
    assert (random_split(range(100), (50, 50))[0].indices != first).any()
    mg.seed(5)
    assert (random_split(range(100), (50, 50))[0].indices == first).all()


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ((5, 4), "add up to 10"),
        ((11, -1), "add up to 10"),
        ((0.5, 0.4), "add up to 1"),
        ((1.5, -0.5), "none below 0"),
        ((1.0, float("nan")), "add up to 1"),
    ],
)
def test_splits_that_do_not_add_up(lengths, words):
    with pytest.raises(ValueError, match=words):
        random_split(range(10), lengths)


# ------------------------------------------------------------------------------------------------------------- batches


@given(sizes, st.integers(1, 12), st.booleans(), st.booleans(), seeds)
def test_every_sample_comes_once(n, batch_size, shuffle, drop_last, seed):
    loader = DataLoader(numbered(n), batch_size, shuffle, drop_last=drop_last, generator=seed)
    batches = list(loader)
    assert len(loader) == len(batches)
    counts = [len(i) for i, _ in batches]
    expected = [min(batch_size, n - k) for k in range(0, n, batch_size)]
    assert counts == [c for c in expected if c == batch_size or not drop_last]
    seen = [i for batch, _ in batches for i in batch.tolist()]
    assert all((pair.numpy() == np.stack([i.numpy(), -i.numpy()], 1)).all() for i, pair in batches)
    assert len(set(seen)) == len(seen)
    if not drop_last:
        assert sorted(seen) == list(range(n))
    if not shuffle:
        assert seen == list(range(len(seen)))


def order(loader):
    return [i for batch, _ in loader for i in batch.tolist()]


def test_a_seed_settles_the_orders_and_each_epoch_has_its_own():
    first, second, other = (DataLoader(numbered(50), 8, True, generator=seed) for seed in (0, mg.Generator(0), 1))
    epochs = [order(first) for _ in range(3)]
    assert epochs == [order(second) for _ in range(3)]
    assert epochs[0] != order(other)
    assert len({tuple(e) for e in epochs}) == 3


def test_without_a_seed_the_default_generator_draws():
    loader = DataLoader(numbered(50), 8, True)
    mg.seed(3)
    first = order(loader)
    assert order(loader) != first
    mg.seed(3)
    assert order(loader) == first


def test_two_passes_at_once_do_not_disturb_each_other():
    loader = DataLoader(numbered(20), 4, True, generator=0)
    alone = DataLoader(numbered(20), 4, True, generator=0)
    expected = order(alone), order(alone)
    one, two = iter(loader), iter(loader)
    found = [[], []]
    for a, b in zip(one, two):
        found[0] += a[0].tolist()
        found[1] += b[0].tolist()
    assert tuple(found) == expected


def test_rows_are_taken_at_once_where_possible():
    class Counting(TensorDataset):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return super().__getitem__(index)

    dataset = Counting(np.arange(100))
    (part, _) = random_split(dataset, (0.9, 0.1), 0)
    list(DataLoader(part, 30, True, generator=0))
    assert dataset.asked == 3
    one_by_one = Squares(10)
    list(DataLoader(one_by_one, 4))
    assert one_by_one.asked == 10


def test_one_by_one_gives_the_same_batches():
    fast = numbered(23)
    slow = [fast[i] for i in range(23)]
    for a, b in zip(DataLoader(fast, 5, True, generator=2), DataLoader(slow, 5, True, generator=2), strict=True):
        assert type(a) is type(b) is tuple
        for x, y in zip(a, b, strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_a_batch_is_no_view_of_the_data():
    dataset = numbered(4)
    (_, pairs), *_ = DataLoader(dataset, 4)
    pairs.data[...] = 9
    assert dataset[1][1].tolist() == [1, -1]


def test_collate_fn_takes_the_samples():
    loader = DataLoader(numbered(5), 2, collate_fn=lambda samples: [int(i) for i, _ in samples])
    assert list(loader) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("target", ["standin", "cuda"])
def test_each_tensor_of_a_batch_moves_once_and_the_data_stays(target):
    if target == "cuda" and not mg.backends.available("cuda"):
        pytest.skip("no GPU")
    dataset = TensorDataset(*(x[:100] for x in data.digits()))
    with transfers.counting() as moved:
        batches = list(DataLoader(dataset, 30, True, generator=0, device=target))
    assert all(x.device.startswith(target) for batch in batches for x in batch)
    assert {x.device for x in dataset.tensors} == {"cpu"}
    if target == "standin":
        assert (moved.to_device, moved.to_host) == (2 * 4, 0)
        assert moved.to_device_bytes == 100 * (8 * 8 * 4 + 8)
    for here, there in zip(DataLoader(dataset, 30, True, generator=0), batches, strict=True):
        for x, y in zip(here, there, strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_data_on_a_device_gives_batches_there():
    dataset = TensorDataset(mg.arange(10).to("standin"))
    with transfers.counting() as moved:
        batches = [x for (x,) in DataLoader(dataset, 4, True, generator=0)]
    assert moved.to_host == 0
    assert {x.device for x in batches} == {"standin:0"}
    assert sorted(i for x in batches for i in x.tolist()) == list(range(10))


def test_structures_move_as_a_whole():
    samples = [{"x": mg.ones(2), "name": f"n{i}", "pair": [1.0, i]} for i in range(3)]
    (batch,) = DataLoader(samples, 3, device="standin")
    assert batch["x"].device == batch["pair"][1].device == "standin:0"
    assert batch["name"] == ["n0", "n1", "n2"]
    assert batch["pair"][1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("dataset", "options", "error", "words"),
    [
        ((np.zeros(3), np.zeros(3)), {}, TypeError, r"a tuple is no data set; .* TensorDataset\(x, y\)"),
        (iter([1]), {}, TypeError, "has __len__ and __getitem__, list_iterator has not"),
        ([1], {"batch_size": 0}, ValueError, "batch_size must be a whole number of at least 1, not 0"),
        ([1], {"batch_size": 2.0}, ValueError, "batch_size must be a whole number"),
        ([1], {"batch_size": True}, ValueError, "batch_size must be a whole number"),
        ([1], {"device": "abacus"}, ValueError, "unknown device or backend 'abacus'"),
    ],
)
def test_loaders_that_cannot_work(dataset, options, error, words):
    with pytest.raises(error, match=words):
        DataLoader(dataset, **options)


# ------------------------------------------------------------------------------------------------------------- collate

Point = namedtuple("Point", "x y")


def test_collate_joins_what_samples_are_made_of():
    y = collate([1, 2])
    assert (y.tolist(), y.dtype) == ([1, 2], np.int64)
    assert (collate([1.5, 2]).dtype, collate([True, False]).dtype) == (np.float32, np.bool_)
    assert collate([np.float64(1), np.float64(2)]).dtype == np.float64
    assert collate([np.ones(2, np.float64)] * 3).dtype == np.float64
    assert collate([np.ones((2, 3), np.uint8)] * 4).shape == (4, 2, 3)
    assert collate([mg.ones(2)] * 3).shape == (3, 2)
    assert collate(["a", "b"]) == ["a", "b"]
    point = collate([Point(1, 2), Point(3, 4)])
    assert type(point) is Point
    assert point.y.tolist() == [2, 4]
    nested = collate([{"a": (1, [2.0])}, {"a": (3, [4.0])}])
    assert nested["a"][0].tolist() == [1, 3]
    assert nested["a"][1][0].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        ([np.ones(2), np.ones(3)], ValueError, r"have the shapes \(2,\), \(3,\); .* collate_fn"),
        ([None, None], TypeError, "a NoneType in a sample cannot be joined; give the loader a collate_fn"),
        ([(1, 2), (1,)], ValueError, "zip"),
        ([{"a": 1}, {"b": 1}], KeyError, "a"),
    ],
)
def test_samples_that_do_not_fit(samples, error, words):
    with pytest.raises(error, match=words):
        collate(samples)
