"""Loaders: samplers, orders that can be taken up again, and batches made ahead by threads."""

from __future__ import annotations

import gc
import threading
import time
import traceback
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data
from minigrad.data import DataLoader, TensorDataset
from tests.standin import transfers

sizes, seeds = st.integers(0, 40), st.integers(0, 2**32)


def numbered(n):
    """Sample i is (i, a 4 × 4 image of i)."""
    i = np.arange(n)
    return TensorDataset(np.broadcast_to(i[:, None, None], (n, 4, 4)).astype(np.float32), i)


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("DataLoader")]


@contextmanager
def no_thread_stays():
    yield
    until = time.monotonic() + 5
    while threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert not threads()


def same(a, b):
    """The same batches, bit for bit."""
    a, b = list(a), list(b)
    assert len(a) == len(b)
    for xs, ys in zip(a, b):
        assert type(xs) is type(ys)
        for x, y in zip(xs, ys, strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x.numpy(), y.numpy())


NOISE = data.Compose([data.RandomCrop(4, 1), data.GaussianNoise(0.1)])


# --------------------------------------------------------------------------------------------------------------- order


@given(sizes, st.integers(1, 9), st.booleans(), seeds, st.integers(0, 40))
def test_an_epoch_goes_on_where_it_was_left(n, batch_size, shuffle, seed, k):
    loader = DataLoader(numbered(n), batch_size, shuffle, generator=seed, transform=NOISE)
    order, k = loader.order(), min(k, len(loader))
    whole = list(loader.batches(order))
    same(whole[k:], loader.batches(order, start=k))
    saved = data.Order(order.indices.copy(), order.edges.copy(), order.seed)  # as from a file
    again = DataLoader(numbered(n), batch_size, shuffle, transform=NOISE)
    same(whole[k:], again.batches(saved, start=k))


def test_iteration_is_an_order_and_its_batches():
    a, b = (DataLoader(numbered(20), 3, True, generator=4, transform=NOISE) for _ in range(2))
    for _ in range(2):
        same(a, b.batches(b.order()))


def test_the_order_is_settled_when_iteration_begins():
    loader = DataLoader(numbered(20), 4, True, generator=0)
    expected = [list(loader), list(loader)]
    loader = DataLoader(numbered(20), 4, True, generator=0)
    first, second = iter(loader), iter(loader)
    same(expected[1], second)
    same(expected[0], first)


def test_the_state_of_the_generator_settles_it_too():
    loader = DataLoader(numbered(20), 4, True, generator=0, transform=NOISE)
    list(loader)
    state = loader.generator.state
    expected = list(loader)
    loader.generator.state = state
    same(expected[2:], loader.batches(loader.order(), start=2))


def test_the_batches_before_the_start_are_not_loaded():
    asked = []

    class Watched(TensorDataset):
        def batch(self, indices):
            asked.extend(indices.tolist())
            return super().batch(indices)

    for options in ({}, {"prefetch": 2}):
        asked.clear()
        loader = DataLoader(Watched(np.arange(10)), 2, **options)
        list(loader.batches(loader.order(), start=3))
        assert sorted(asked) == [6, 7, 8, 9]


def test_an_order():
    loader = DataLoader(numbered(7), 3)
    order = loader.order()
    assert [order[k].tolist() for k in range(len(order))] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(loader.batches(order, 3)) == []
    for wrong in (-1, 4):
        with pytest.raises(IndexError, match=f"an epoch of 3 batches has no number {wrong}"):
            loader.batches(order, wrong)


def test_what_is_not_random_draws_nothing():
    generator = mg.Generator(0)
    before = generator.state
    list(DataLoader(numbered(5), 2, generator=generator, transform=data.Scale(2.0)))
    assert generator.state == before


# ------------------------------------------------------------------------------------------------------------ prefetch


@given(sizes, st.integers(1, 9), st.booleans(), seeds, st.integers(1, 5), st.integers(1, 4))
def test_batches_made_ahead_are_the_same(n, batch_size, shuffle, seed, prefetch, workers):
    options = {"generator": seed, "transform": (NOISE, data.OneHot(40))}
    ahead = DataLoader(numbered(n), batch_size, shuffle, prefetch=prefetch, workers=workers, **options)
    plain = DataLoader(numbered(n), batch_size, shuffle, **options)
    for _ in range(2):
        same(plain, ahead)
    assert not threads()


class Slow:
    """Later samples are ready sooner; sample `bad` cannot be read."""

    def __init__(self, n, bad=None):
        self.n, self.bad, self.asked = n, bad, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.asked += 1
        time.sleep(0.002 * (self.n - i) / self.n)
        return self.read_sample(i)

    def read_sample(self, i):
        if i == self.bad:
            raise OSError(f"sample {i} is damaged")
        return i


def test_the_order_does_not_depend_on_who_is_ready_first():
    found = [x.tolist() for x in DataLoader(Slow(40), 2, prefetch=8, workers=4)]
    assert found == [[i, i + 1] for i in range(0, 40, 2)]


def test_no_more_is_made_ahead_than_asked_for():
    dataset = Slow(40)
    batches = iter(DataLoader(dataset, 1, prefetch=3, workers=2))
    next(batches)
    until = time.monotonic() + 5
    while dataset.asked < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    assert dataset.asked == 4
    batches.close()


def test_workers_work_at_once():
    """Each sample is ready only when three are being made."""
    meeting = threading.Barrier(3, timeout=5)

    class Together(Slow):
        def __getitem__(self, i):
            meeting.wait()
            return i

    assert len(list(DataLoader(Together(9), 1, prefetch=3, workers=3))) == 9


@pytest.mark.parametrize("workers", [1, 3])
def test_errors_arrive_in_their_turn_with_their_traceback(workers):
    seen = []
    with no_thread_stays(), pytest.raises(OSError, match="sample 7 is damaged") as caught:  # noqa: PT012
        for x in DataLoader(Slow(40, bad=7), 2, prefetch=3, workers=workers):
            seen.append(x.tolist())
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert "read_sample" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_a_loop_that_is_left_leaves_no_thread():
    with no_thread_stays():
        for _ in DataLoader(Slow(100), 1, prefetch=4, workers=3):
            assert threads()
            break


def test_what_was_to_be_made_ahead_is_not_made_any_more():
    dataset = Slow(100)
    for _ in DataLoader(dataset, 1, prefetch=50):
        break
    assert dataset.asked < 10


def test_a_loader_that_is_forgotten_leaves_no_thread():
    with no_thread_stays():
        batches = iter(DataLoader(Slow(100), 1, prefetch=4, workers=3, device="cpu"))
        next(batches)
        assert threads()
        del batches
    with no_thread_stays():
        knot = [iter(DataLoader(Slow(100), 1, prefetch=4, workers=3))]
        next(knot[0])
        knot.append(knot)
        del knot
        gc.collect()


def test_an_error_in_the_loop_leaves_no_thread():
    with no_thread_stays(), pytest.raises(ZeroDivisionError):  # noqa: PT012
        for _ in DataLoader(Slow(100), 1, prefetch=4, workers=3):
            1 / 0  # noqa: B018


def test_an_iterator_that_was_never_asked_starts_no_thread():
    iter(DataLoader(Slow(4), 1, prefetch=2))
    assert not threads()


def test_threads_see_the_modes_of_the_loop():
    x = mg.ones(4, requires_grad=True)

    class Doubled(Slow):
        def __getitem__(self, i):
            return (x[i] * 2).requires_grad

    with mg.no_grad():
        assert [b.item() for b in DataLoader(Doubled(2), 1, prefetch=1)] == [False, False]
    assert [b.item() for b in DataLoader(Doubled(2), 1, prefetch=1)] == [True, True]


def test_batches_made_ahead_move_once():
    with transfers.counting() as moved:
        batches = list(DataLoader(numbered(20), 5, True, generator=0, device="standin", prefetch=2, workers=2))
    assert (moved.to_device, moved.to_host) == (2 * 4, 0)
    same(DataLoader(numbered(20), 5, True, generator=0), batches)


# ------------------------------------------------------------------------------------------------------------ samplers


def drawn(sampler, seed=0):
    return np.asarray(sampler.draw(np.random.default_rng(seed)))


def test_samplers_in_a_loader():
    dataset = numbered(10)
    loader = DataLoader(dataset, 4, sampler=data.RandomSampler(dataset, num_samples=6), generator=0)
    assert (len(loader), [len(i) for _, i in loader]) == (2, [4, 2])
    assert len(DataLoader(dataset, 4, drop_last=True, sampler=data.RandomSampler(6), generator=0)) == 1
    batches = [[0, 9], [5], [1, 2, 3]]

    class Mine:
        def __len__(self):
            return len(batches)

        def draw(self, rng):
            return batches

    loader = DataLoader(dataset, batch_sampler=Mine())
    assert [i.tolist() for _, i in loader] == batches
    assert len(loader) == 3


@given(sizes, seeds)
def test_random_samplers(n, seed):
    assert drawn(data.SequentialSampler(range(n)), seed).tolist() == list(range(n))
    once = drawn(data.RandomSampler(n), seed)
    assert sorted(once) == list(range(n))
    again = data.RandomSampler(n, replacement=True)
    assert len(drawn(again, seed)) == len(again) == n
    assert set(drawn(again, seed)) <= set(range(n))
    few = data.RandomSampler(n, num_samples=n // 2)
    assert len(set(drawn(few, seed))) == len(few) == n // 2


def chi_squared(counts, p):
    expected = counts.sum() * np.asarray(p)
    return ((counts - expected) ** 2 / expected).sum()


def test_draws_have_their_probabilities():
    """χ² with 3 degrees of freedom is above 16.3 once in a thousand seeds; the seed is fixed."""
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    counts = np.bincount(drawn(data.WeightedRandomSampler(weights, 10_000)), minlength=4)
    assert chi_squared(counts, weights / 10) < 16.3
    counts = np.bincount(drawn(data.RandomSampler(4, True, 10_000)), minlength=4)
    assert chi_squared(counts, [0.25] * 4) < 16.3
    first = np.bincount([drawn(data.RandomSampler(4), seed)[0] for seed in range(2000)], minlength=4)
    assert chi_squared(first, [0.25] * 4) < 16.3


def test_a_weight_of_0_is_never_drawn():
    assert 1 not in drawn(data.WeightedRandomSampler([1.0, 0.0, 1.0], 1000))
    assert sorted(drawn(data.WeightedRandomSampler([1, 0, 5], 2, replacement=False))) == [0, 2]


def test_classes_in_balance():
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    found = np.bincount(labels[drawn(data.BalancedSampler(labels, 9000))])
    assert chi_squared(found, [1 / 3] * 3) < 13.8
    assert len(data.BalancedSampler(mg.tensor(labels))) == 1000


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_class_weights_count_every_class_the_same(labels):
    w = data.class_weights(labels)
    counts = np.bincount(labels)
    present = counts > 0
    np.testing.assert_allclose((w * counts)[present], len(labels) / present.sum())
    np.testing.assert_allclose(w[labels].mean(), 1)
    assert (w[~present] == 0).all()


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 7), st.integers(1, 5), st.booleans(), seeds)
def test_buckets_hold_samples_of_about_one_length(lengths, batch_size, buckets, drop_last, seed):
    sampler = data.BucketSampler(lengths, batch_size, buckets, drop_last)
    batches = sampler.draw(np.random.default_rng(seed))
    assert len(batches) == len(sampler)
    seen = [i for batch in batches for i in batch]
    assert len(set(seen)) == len(seen) == (len(lengths) // batch_size * batch_size if drop_last else len(lengths))


def test_buckets_save_padding():
    lengths = np.random.default_rng(0).integers(1, 500, 3200)
    padding = lambda batches: sum(lengths[b].max() * len(b) - lengths[b].sum() for b in batches) / lengths.sum()
    rng = np.random.default_rng(1)
    assert padding(data.BucketSampler(lengths, 32).draw(rng)) < 0.05
    assert padding(data.BatchSampler(data.RandomSampler(3200), 32).draw(rng)) > 0.5
    order = [lengths[b].max() for b in data.BucketSampler(lengths, 32).draw(rng)]
    assert order != sorted(order)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: data.RandomSampler(3, num_samples=4), ValueError, "4 of 3 samples .* replacement=True"),
        (lambda: data.RandomSampler(3, num_samples=-1), ValueError, "num_samples must be a whole number"),
        (lambda: data.WeightedRandomSampler([]), ValueError, r"one weight for each sample, got the shape \(0,\)"),
        (lambda: data.WeightedRandomSampler([1, -1]), ValueError, "none below 0"),
        (lambda: data.WeightedRandomSampler([0, 0]), ValueError, "not all 0"),
        (lambda: data.WeightedRandomSampler([1, np.nan]), ValueError, "must be finite"),
        (lambda: data.WeightedRandomSampler([1, 0], 2, False), ValueError, "1 samples have a weight above 0"),
        (lambda: data.class_weights([0.5]), ValueError, r"whole numbers from 0 .* got float64 \(1,\)"),
        (lambda: data.class_weights([-1]), ValueError, "whole numbers from 0"),
        (lambda: data.BatchSampler(data.RandomSampler(3), 0), ValueError, "batch_size must be a whole number"),
        (lambda: data.BucketSampler([[1]], 2), ValueError, r"one length for each sample, got the shape \(1, 1\)"),
        (lambda: DataLoader([1], sampler=[0]), TypeError, r"a sampler has __len__ and draw\(rng\), list has not"),
        (lambda: DataLoader([1], shuffle=True, sampler=data.RandomSampler(1)), ValueError, "exclude each other"),
        (lambda: DataLoader([1], 2, batch_sampler=data.BucketSampler([1], 1)), ValueError, "stands alone"),
        (lambda: DataLoader([1], prefetch=-1), ValueError, "prefetch must be a whole number of at least 0"),
        (lambda: DataLoader([1], workers=0), ValueError, "workers must be a whole number of at least 1"),
        (lambda: DataLoader([1], workers=2), ValueError, "say how many: prefetch=2"),
        (
            lambda: iter(DataLoader([1], sampler=data.RandomSampler(9, True, 50), generator=0)),
            IndexError,
            "the sampler drew sample [1-8]; there are 1",
        ),
    ],
)
def test_samplers_and_loaders_that_cannot_work(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -------------------------------------------------------------------------------------------------------------- splits


@given(st.lists(st.integers(0, 4), max_size=80), st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), seeds)
def test_a_stratified_split_keeps_the_proportions(labels, weights, seed):
    labels, fractions = np.array(labels, np.int64), [w / sum(weights) for w in weights]
    parts = data.stratified_split(range(len(labels)), labels, fractions, seed)
    assert sorted(i for part in parts for i in part) == list(range(len(labels)))
    plain = data.random_split(range(len(labels)), fractions, 0)
    assert [len(part) for part in parts] == [len(part) for part in plain]
    for c in range(5):
        n = (labels == c).sum()
        for part, f in zip(parts, fractions):
            assert abs((labels[part.indices] == c).sum() - n * f) < len(fractions) + 1
    again = data.stratified_split(range(len(labels)), labels, fractions, mg.Generator(seed))
    assert [p.indices.tolist() for p in again] == [p.indices.tolist() for p in parts]


def test_a_stratified_split_of_few():
    labels = mg.tensor([0] * 90 + [1] * 10)
    train, test = data.stratified_split(range(100), labels, (0.8, 0.2), 0)
    assert np.bincount(labels.numpy()[train.indices]).tolist() == [72, 8]
    assert np.bincount(labels.numpy()[test.indices]).tolist() == [18, 2]
    assert (np.diff(labels.numpy()[train.indices]) != 0).sum() > 4, "the classes are mixed"
    other, _ = data.stratified_split(range(100), labels, (0.8, 0.2), 1)
    assert set(other.indices) != set(train.indices)
    with pytest.raises(ValueError, match=r"100 samples need labels \(100,\), got \(99,\)"):
        data.stratified_split(range(100), np.zeros(99), (0.5, 0.5))
    with pytest.raises(ValueError, match="stratified_split: the fractions"):
        data.stratified_split(range(3), np.zeros(3), (0.5, 0.6))
