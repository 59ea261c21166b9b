"""Normalizations: running statistics, their conventions, and what wrong input is told."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import functional as F


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a.detach().numpy(), b, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------- running statistics


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0, None])
def test_running_statistics_follow_several_batches_as_in_pytorch(torch, momentum):
    ours = nn.BatchNorm2d(2, momentum=momentum, dtype="float64")
    theirs = torch.nn.BatchNorm2d(2, momentum=momentum).double()
    rng = np.random.default_rng(0)
    for n in (3, 1, 5):
        x = rng.normal(1, 2, (n, 2, 2, 3))
        ours(mg.tensor(x))
        theirs(torch.tensor(x))
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value.numpy())
    assert ours.num_batches_tracked.item() == 3
    x = rng.normal(size=(4, 2, 2, 3))
    close(ours.eval()(mg.tensor(x)), theirs.eval()(torch.tensor(x)).detach().numpy())


def test_the_cumulative_average_is_the_mean_of_all_batches():
    layer, rng = nn.BatchNorm1d(2, momentum=None, dtype="float64"), np.random.default_rng(0)
    batches = rng.normal(size=(5, 4, 2))
    for x in batches:
        layer(mg.tensor(x))
    close(layer.running_mean, batches.mean(axis=(0, 1)))
    close(layer.running_var, batches.var(axis=1, ddof=1).mean(axis=0))


def test_the_running_variance_is_unbiased_and_that_of_the_batch_is_not():
    layer = nn.BatchNorm1d(1, momentum=1.0, eps=0.0, dtype="float64")
    y = layer(mg.tensor([[1.0], [3.0]], dtype="float64"))
    assert y.tolist() == [[-1.0], [1.0]]  # σ² = 1
    assert layer.running_var.tolist() == [2.0]


def test_statistics_stay_in_their_memory_and_out_of_the_graph():
    layer = nn.BatchNorm1d(2, dtype="float64")
    mean = layer.running_mean
    y = layer(mg.tensor([[1.0, 2.0], [3.0, 5.0]], dtype="float64", requires_grad=True))
    z = layer(mg.ones(2, 2, dtype="float64", requires_grad=True))  # a second batch before the gradient of the first
    (y.sum() + z.sum()).backward()
    assert layer.running_mean is mean
    assert not mean.requires_grad
    assert layer.running_mean.tolist() != [0, 0]


def test_eval_and_no_statistics_move_nothing():
    layer = nn.BatchNorm1d(2).eval()
    before = {name: x.tolist() for name, x in layer.state_dict().items()}
    layer(mg.tensor([[1.0, 2.0], [3.0, 5.0]]))
    assert {name: x.tolist() for name, x in layer.state_dict().items()} == before
    free = nn.BatchNorm1d(2, track_running_stats=False)
    assert list(free.state_dict()) == ["weight", "bias"]
    x = mg.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert free(x).tolist() == free.eval()(x).tolist()


def test_a_derivative_of_a_derivative_does_not_count_the_batch_twice():
    layer = nn.BatchNorm1d(2, dtype="float64")
    x = mg.tensor(np.random.default_rng(0).normal(size=(4, 2)), requires_grad=True)
    y = layer(x)
    before = layer.running_mean.numpy().copy()
    (g,) = mg.grad((y**3).sum(), [x], create_graph=True)
    (g**2).sum().backward()
    assert np.array_equal(layer.running_mean.numpy(), before)
    assert layer.num_batches_tracked.item() == 1


def test_reset_running_stats():
    layer = nn.BatchNorm1d(2)
    layer(mg.tensor([[1.0, 2.0], [3.0, 5.0]]))
    layer.reset_running_stats()
    assert [x.tolist() for x in layer.buffers()] == [[0, 0], [1, 1], 0]


def test_nothing_moves_inside_vmap():
    layer = nn.BatchNorm1d(3, dtype="float64")
    x = mg.tensor(np.random.default_rng(0).normal(size=(2, 4, 3)))
    y = mg.vmap(layer)(x)
    assert layer.running_mean.tolist() == [0, 0, 0]
    close(y[1], layer(x[1]).detach().numpy())


def test_a_batch_of_none_moves_no_mean():
    layer = nn.BatchNorm1d(2)
    assert layer(mg.zeros(0, 2)).shape == (0, 2)
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.running_var.tolist() == [1, 1]


# -------------------------------------------------------------------------------------------------------- conventions


def test_the_output_has_mean_0_and_variance_1():
    x = mg.tensor(np.random.default_rng(0).normal(5, 3, (64, 4, 6)))
    for y, axis in (
        (F.batch_norm(x, training=True, eps=0.0), (0, 2)),
        (F.layer_norm(x, (4, 6), eps=0.0), (1, 2)),
        (F.instance_norm(x, eps=0.0), 2),
    ):
        close(y.mean(axis=axis), 0, 1e-12)
        close(y.var(axis=axis), 1, 1e-12)
    close((F.rms_norm(x, 6, eps=0.0) ** 2).mean(axis=-1), 1, 1e-12)


def test_the_gradient_of_a_sum_is_nothing():
    """The output sums to the same whatever x; what is left is rounding."""
    x = mg.tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True)
    F.batch_norm(x, training=True).sum().backward()
    close(x.grad, 0, 1e-12)


def test_layer_norm_of_one_value_is_0_with_gradient_0():
    x = mg.tensor([[3.0], [7.0]], requires_grad=True)
    y = nn.LayerNorm(1)(x)
    y.sum().backward()
    assert y.tolist() == [[0], [0]]
    assert x.grad.tolist() == [[0], [0]]


def test_a_large_mean_costs_no_digits():
    x = np.random.default_rng(0).normal(size=(64, 8))
    close(F.layer_norm(mg.tensor(x + 1e6), 8), F.layer_norm(mg.tensor(x), 8).numpy(), 1e-8)
    close(F.batch_norm(mg.tensor(x + 1e6), training=True), F.batch_norm(mg.tensor(x), training=True).numpy(), 1e-8)


def test_float16_is_summed_with_care():
    x = np.random.default_rng(0).normal(30, 10, (8, 512)).astype(np.float16)
    y = F.layer_norm(mg.tensor(x), 512)
    assert y.dtype == np.float16
    close(y, F.layer_norm(mg.tensor(x.astype(np.float64)), 512).numpy(), 5e-3)


def test_a_statistic_on_a_device_stays_there(device):
    layer = nn.BatchNorm2d(2, momentum=None, device=device)
    layer(mg.ones(2, 2, 2, 2, device=device))
    assert all(x.device.startswith(device) for x in layer.state_dict().values())
    assert layer.running_mean.tolist() == [1, 1]


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            nn.BatchNorm1d(3),
            (1, 3),
            r"BatchNorm1d\(3, .*\): batch_norm: in training, x of shape \(1, 3\) has one value for each channel, whose "
            r"variance is 0 .*; use a larger batch, eval\(\), or layer_norm or group_norm",
        ),
        (nn.BatchNorm2d(3), (1, 3, 1, 1), "one value for each channel"),
        (nn.BatchNorm1d(3), (2, 4), r"x of shape \(2, 4\) must be \(N, C\) or \(N, C, L\) with C = 3; .* must be 4"),
        (nn.BatchNorm1d(3), (2, 3, 4, 4), "for images take BatchNorm2d"),
        (nn.BatchNorm1d(3), (3,), "is the batch axis missing"),
        (nn.BatchNorm2d(3), (3, 4, 4), r"\(N, C, H, W\) with C = 3; is the batch axis missing"),
        (nn.LayerNorm(4), (2, 3), r"LayerNorm\(\(4,\), .*\): .*x of shape \(2, 3\) does not end in .* \(4,\)"),
        (nn.RMSNorm((2, 4)), (4,), r"x of shape \(4,\) does not end in normalized_shape \(2, 4\)"),
        (nn.GroupNorm(2, 4), (2, 6), r"GroupNorm\(2, 4, .*\): x of shape \(2, 6\) must be \(N, C, …\) with C = 4"),
        (nn.InstanceNorm2d(2), (2, 3, 4, 4), "with C = 2"),
        (nn.InstanceNorm2d(2), (2, 2, 1, 1), "more than one place in each channel"),
    ],
)
def test_a_wrong_input_is_told(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer(mg.zeros(shape))


def test_wrong_arguments_are_told():
    with pytest.raises(ValueError, match="5 channels do not make 2 groups"):
        nn.GroupNorm(2, 5)
    with pytest.raises(ValueError, match="needs running_mean and running_var"):
        F.batch_norm(mg.zeros(2, 2))
    with pytest.raises(ShapeError, match=r"weight of shape \(2,\) does not fit x of shape \(4, 3\)"):
        F.batch_norm(mg.zeros(4, 3), weight=mg.ones(2), training=True)
    with pytest.raises(ShapeError, match=r"bias of shape \(3,\) must have normalized_shape \(2,\)"):
        F.layer_norm(mg.zeros(4, 2), 2, bias=mg.ones(3))
    with pytest.raises(ShapeError, match="a multiple of 2 groups"):
        F.group_norm(mg.zeros(4, 3), 2)
