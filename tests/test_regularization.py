"""Dropout: what the mask decides, and where its bits come from."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import functional as F


def test_kept_elements_are_scaled_and_as_many_as_expected(device):
    x = mg.ones(200, 100, device=device, requires_grad=True)
    y = F.dropout(x, 0.2, rng=0)
    y.sum().backward()
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1.25)}
    assert 0.78 < np.mean(values > 0) < 0.82
    assert np.array_equal(x.grad.numpy(), values)  # the same elements, the same factor


def test_all_none_and_not_in_training():
    x = mg.tensor([1.0, -2.0, np.inf, np.nan], requires_grad=True)
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert y.tolist() == x.grad.tolist() == [0, 0, 0, 0]
    for same in (F.dropout(x, 0.0), F.dropout(x, 0.9, training=False), nn.Dropout(0.9).eval()(x)):
        assert np.array_equal(same.detach().numpy(), x.detach().numpy(), equal_nan=True)


def test_the_mask_decides_and_not_the_value():
    x = mg.zeros(1000, requires_grad=True)
    F.dropout(x, 0.5, rng=0).sum().backward()
    assert set(x.grad.tolist()) == {0.0, 2.0}
    y = F.dropout(mg.full((1000,), np.inf), 0.5, rng=0).numpy()
    assert set(y.tolist()) == {0.0, np.inf}


def test_a_seed_gives_the_same_bits(device):
    x = mg.ones(50, device=device)
    assert F.dropout(x, rng=3).tolist() == F.dropout(x, rng=3).tolist() != F.dropout(x, rng=4).tolist()
    assert F.dropout(x.astype("float64"), rng=3).tolist() == F.dropout(x, rng=3).tolist()
    layer, again = nn.Dropout(rng=3), nn.Dropout(rng=mg.Generator(3))
    first, second = layer(x).tolist(), layer(x).tolist()
    assert first != second
    assert [again(x).tolist(), again(x).tolist()] == [first, second]
    mg.seed(5)
    drawn = nn.Dropout()(x).tolist()
    mg.seed(5)
    assert nn.Dropout()(x).tolist() == drawn


@pytest.mark.parametrize(("layer", "places"), [(nn.Dropout1d(rng=0), (6,)), (nn.Dropout2d(rng=0), (3, 2))])
@pytest.mark.parametrize("batch", [(), (40,)])
def test_channels_are_dropped_as_a_whole(layer, places, batch):
    y = layer(mg.ones(*batch, 30, *places)).numpy()
    flat = y.reshape(-1, 6)
    assert (flat == flat[:, :1]).all()
    assert set(np.unique(flat)) == {0, 2}


def test_each_sample_of_vmap_has_noise_of_its_own():
    y = mg.vmap(lambda x: F.dropout(x, 0.5, rng=0))(mg.ones(2, 100)).numpy()
    assert set(np.unique(y)) == {0, 2}
    assert not np.array_equal(y[0], y[1])


def test_wrong_input_is_told():
    for call in (lambda: nn.Dropout(1.5), lambda: F.dropout(mg.ones(2), -0.1)):
        with pytest.raises(ValueError, match="p, the probability of a zero, is between 0 and 1, not"):
            call()
    with pytest.raises(ShapeError, match=r"dropout2d: x of shape \(2, 3\) must be \(N, C, H, W\) or \(C, H, W\)"):
        nn.Dropout2d()(mg.ones(2, 3))
    with pytest.raises(ShapeError, match=r"dropout1d: .*\(N, C, L\) or \(C, L\)"):
        nn.Dropout1d()(mg.ones(2))
