"""Convolution and pooling beyond the registry and the table of layers: what they mean, ties, memory, messages."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.fused import convolution as inside

TWINS = pytest.mark.parametrize("twins", [True, False], ids=["twin", "definition"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
CLOSE = {"float32": 1e-5, "float64": 1e-12}
nan, inf = np.nan, np.inf


def leaf(x, device="cpu", dtype="float64"):
    return mg.tensor(np.asarray(x, dtype), device=device, requires_grad=True)


def host(x):
    return x.detach().numpy()


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------------------------------------------- what it computes


@TWINS
def test_a_mathematical_convolution_is_one_with_a_flipped_kernel(twins):
    """(x ∗ w)[p] = Σₖ x[p − k] w[k], which turns the kernel round; layers do not."""
    x, w = normal(9), normal(4, seed=1)
    with mg.twins(twins):
        turned = F.conv1d(x[None, None], w[None, None, ::-1].copy())
        as_it_is = F.conv1d(x[None, None], w[None, None])
    np.testing.assert_allclose(host(turned)[0, 0], np.convolve(x, w, "valid"), rtol=1e-12)
    np.testing.assert_allclose(host(as_it_is)[0, 0], np.correlate(x, w, "valid"), rtol=1e-12)

    image, kernel = normal(5, 6), normal(3, 2, seed=1)
    textbook = np.zeros((3, 5))
    for i, j in np.ndindex(3, 5):
        for m, n in np.ndindex(3, 2):
            textbook[i, j] += image[i + 2 - m, j + 1 - n] * kernel[m, n]
    with mg.twins(twins):
        y = F.conv2d(image[None, None], kernel[None, None, ::-1, ::-1].copy())
    np.testing.assert_allclose(host(y)[0, 0], textbook, rtol=1e-12)


def test_the_first_linear_layer_of_the_small_network_takes_5408():
    """28 → 26 (3 × 3, no padding) → 13 (pooling by 2): 32·13·13"""
    net = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    x = mg.zeros(2, 1, 28, 28)
    assert [net[:i](x).shape for i in (1, 3, 4)] == [(2, 32, 26, 26), (2, 32, 13, 13), (2, 5408)]


@TWINS
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, (2, 5)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_same_is_pytorchs(kernel, dilation, twins):
    torch = pytest.importorskip("torch")
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    x, w = normal(2, 3, 7, 6), normal(4, 3, kh, kw, seed=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same'")
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(w), padding="same", dilation=dilation
        )
    with mg.twins(twins):
        y = F.conv2d(mg.tensor(x), mg.tensor(w), padding="same", dilation=dilation)
    assert y.shape == (2, 4, 7, 6)
    np.testing.assert_allclose(host(y), expected.numpy(), rtol=1e-10, atol=1e-12)


def test_the_odd_zero_of_padding_same_stands_behind():
    y = F.conv1d(mg.tensor([[[1.0, 2.0, 3.0]]]), mg.tensor([[[10.0, 1.0]]]), padding="same")
    np.testing.assert_array_equal(host(y), [[[12, 23, 30]]])


@TWINS
def test_groups_are_convolutions_side_by_side(twins, device):
    x, w, b = normal(2, 4, 5, 5), normal(6, 2, 3, 3, seed=1), normal(6, seed=2)
    x, w, b = (mg.tensor(v, device=device) for v in (x, w, b))
    with mg.twins(twins):
        y = F.conv2d(x, w, b, padding=1, groups=2)
        apart = [F.conv2d(x[:, :2], w[:3], b[:3], padding=1), F.conv2d(x[:, 2:], w[3:], b[3:], padding=1)]
    np.testing.assert_allclose(host(y), np.concatenate([host(part) for part in apart], axis=1), rtol=1e-12, atol=1e-14)


@TWINS
def test_depthwise_sees_each_channel_by_itself(twins):
    x, w = normal(2, 3, 6), normal(3, 1, 3, seed=1)
    with mg.twins(twins):
        y = F.conv1d(mg.tensor(x), mg.tensor(w), groups=3)
    for n, c in np.ndindex(2, 3):
        np.testing.assert_allclose(host(y)[n, c], np.correlate(x[n, c], w[c, 0], "valid"), rtol=1e-12)


@TWINS
@pytest.mark.parametrize(
    ("n", "options"),
    [
        ((6, 5), {}),
        ((7, 8), {"stride": (2, 3), "padding": (1, 0)}),
        ((9, 8), {"stride": 2, "padding": 1, "dilation": 2}),
        ((5, 6), {"groups": 2, "padding": 1}),
    ],
)
def test_the_transposed_convolution_is_the_adjoint(n, options, twins):
    """⟨conv(x), g⟩ = ⟨x, conv_transpose(g)⟩, and conv_transpose(g) is the gradient in x."""
    groups = options.get("groups", 1)
    w = mg.tensor(normal(4, 2 // groups, 3, 2))
    x = leaf(normal(2, 2, *n, seed=1))
    with mg.twins(twins):
        y = F.conv2d(x, w, **options)
        g = mg.tensor(normal(*y.shape, seed=2))
        back = F.conv_transpose2d(g, w, **options)
        # of the lengths that lead to that of y, output_padding names the one that x has
        more = tuple(a - b for a, b in zip(x.shape[2:], back.shape[2:]))
        back = F.conv_transpose2d(g, w, **options, output_padding=more)
        y.backward(g)
    assert back.shape == x.shape
    np.testing.assert_allclose(host(back), host(x.grad), rtol=1e-10, atol=1e-12)
    assert np.vdot(host(y), host(g)) == pytest.approx(np.vdot(host(x), host(back)))


@TWINS
@DTYPES
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_batches_of_any_size(batch, dtype, twins, device):
    x, w, b = leaf(normal(batch, 2, 5, 5), device, dtype), leaf(normal(3, 2, 2, 2), device, dtype), None
    b = leaf(normal(3), device, dtype)
    with mg.twins(twins):
        y = F.avg_pool2d(F.max_pool2d(F.conv2d(x, w, b, padding=1), 2), 2, 1)
        y.sum().backward()
    assert y.shape == (batch, 3, 2, 2)
    for t in (x, w, b):
        assert t.grad.shape == t.shape
        assert t.grad.dtype == dtype
    assert host(b.grad) == pytest.approx([4 * batch] * 3)
    if not batch:
        assert not host(w.grad).any()


@TWINS
def test_one_image_without_a_batch_axis(twins):
    x, w, v = mg.tensor(normal(2, 5, 5)), mg.tensor(normal(3, 2, 3, 3)), mg.tensor(normal(2, 3, 3, 3))
    with mg.twins(twins):
        for alone, among in (
            (F.conv2d(x, w), F.conv2d(x[None], w)),
            (F.conv_transpose2d(x, v), F.conv_transpose2d(x[None], v)),
            (F.max_pool2d(x, 2), F.max_pool2d(x[None], 2)),
            (F.avg_pool2d(x, 2), F.avg_pool2d(x[None], 2)),
            (F.adaptive_avg_pool2d(x, 2), F.adaptive_avg_pool2d(x[None], 2)),
        ):
            np.testing.assert_allclose(host(alone), host(among)[0], rtol=1e-12, atol=1e-14)


# -------------------------------------------------------------------------------------------------------- memory order


def in_memory_as(x, order):
    """The same values, with axes in another order in memory."""
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


@DTYPES
@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 1, 2, 0), (1, 0, 3, 2)])
@pytest.mark.parametrize(
    "options", [{}, {"padding": 1, "stride": 2}, {"groups": 2, "dilation": 2}, {"padding": ((0, 2), (1, 0))}]
)
def test_the_twin_of_conv2d_in_any_order_of_memory(order, options, dtype, device):
    groups = options.get("groups", 1)
    x, w, b = normal(2, 4, 9, 8), normal(6, 4 // groups, 3, 3, seed=1), normal(6, seed=2)
    found = []
    for twins in (True, False):
        xs = [leaf(in_memory_as(x, order), device, dtype), leaf(w, device, dtype), leaf(b, device, dtype)]
        with mg.twins(twins):
            y = F.conv2d(*xs, **options)
            g = in_memory_as(normal(*y.shape, seed=3), order)
            y.backward(mg.tensor(g.astype(dtype), device=device))
        found.append([host(t) for t in (y, *(t.grad for t in xs))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=100 * CLOSE[dtype], atol=10 * CLOSE[dtype])


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 1, 2, 0)])
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, (2, 3), 1, dilation=(3, 2)),
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
        lambda x: F.max_pool2d(x, 1, 3),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, (2, 1)),
    ],
)
def test_the_twins_of_pooling_in_any_order_of_memory(order, pool, device):
    found = []
    for twins in (True, False):
        x = leaf(in_memory_as(normal(2, 3, 9, 8), order), device)
        with mg.twins(twins):
            y = pool(x)
            y.backward(mg.tensor(in_memory_as(normal(*y.shape, seed=3), order), device=device))
        found.append((host(y), host(x.grad)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_gradients_of_weights_lie_in_memory_as_the_weights():
    w = leaf(normal(3, 2, 3, 3))
    F.conv2d(mg.tensor(normal(2, 2, 5, 5)), w).sum().backward()
    assert w.grad.data.flags.c_contiguous


@DTYPES
def test_convolutions_of_many_channels_and_long_rows(dtype):
    """Both ways in which the matrix of windows lies in memory, and both products for the weight."""
    for channels, n, outputs in ((1, 12, 3), (5, 4, 2), (2, 9, 1), (8, 3, 4)):
        found = []
        for twins in (True, False):
            xs = [leaf(normal(3, channels, n, n), dtype=dtype), leaf(normal(outputs, channels, 3, 3), dtype=dtype)]
            with mg.twins(twins):
                y = F.conv2d(*xs)
                (y * y).sum().backward()
            found.append([host(t) for t in (y, *(t.grad for t in xs))])
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other, rtol=100 * CLOSE[dtype], atol=100 * CLOSE[dtype])


def test_per_sample_gradients_through_vmap():
    xs, w = mg.tensor(normal(3, 1, 6, 6)), mg.tensor(normal(2, 1, 3, 3, seed=1))

    def loss(w, x):
        return (F.max_pool2d(F.conv2d(x, w), 3, 2, 1) ** 2).sum()

    found = host(mg.vmap(mg.grad(loss), in_axes=(None, 0))(w, xs))
    for i in range(3):
        v = leaf(host(w))
        loss(v, xs[i]).backward()
        np.testing.assert_allclose(found[i], host(v.grad), rtol=1e-10)


# ------------------------------------------------------------------------------------------- kinks, ties, not a number


def of_max(x, g=None, dtype="float64", device="cpu", twins=True, differentiable=False, **options):
    """y and ∂x of max_pool2d for one image, by the walk on arrays or by the differentiable one."""
    x = leaf(np.asarray(x)[None, None], device, dtype)
    with mg.twins(twins):
        y = F.max_pool2d(x, **options)
    g = mg.ones_like(y) if g is None else mg.tensor(np.asarray(g, dtype)[None, None], device=device)
    return host(y)[0, 0], host(mg.grad(y, x, g, create_graph=differentiable))[0, 0]


@pytest.fixture(params=[(True, False), (False, False), (True, True)], ids=["twin", "definition", "differentiable"])
def way(request, device):
    return {"device": device, "twins": request.param[0], "differentiable": request.param[1]}


@DTYPES
def test_the_first_of_equals_gets_the_gradient_row_by_row(dtype, way):
    y, g = of_max([[1, 2, 0, 0], [2, 2, 0, 0]], [[3, 5]], dtype, kernel_size=2, **way)
    np.testing.assert_array_equal(y, [[2, 0]])
    np.testing.assert_array_equal(g, [[0, 3, 5, 0], [0, 0, 0, 0]])  # not the 2 below, which stands further left


@DTYPES
def test_overlapping_windows_add_up(dtype, way):
    y, g = of_max([[0, 0, 0], [0, 9, 0], [0, 0, 0]], [[1, 2], [3, 4]], dtype, kernel_size=2, stride=1, **way)
    np.testing.assert_array_equal(y, [[9, 9], [9, 9]])
    np.testing.assert_array_equal(g, [[0, 0, 0], [0, 10, 0], [0, 0, 0]])

    y, g = of_max(np.ones((3, 3)), [[1, 2], [3, 4]], dtype, kernel_size=2, stride=1, **way)
    np.testing.assert_array_equal(g, [[1, 2, 0], [3, 4, 0], [0, 0, 0]])


@DTYPES
def test_nan_wins_and_gets_the_gradient(dtype, way):
    x = [[1, nan, 5, 5], [3, nan, 5, 6]]
    y, g = of_max(x, [[3, 4]], dtype, kernel_size=2, **way)
    np.testing.assert_array_equal(y, [[nan, 6]])
    np.testing.assert_array_equal(g, [[0, 3, 0, 0], [0, 0, 0, 4]])
    y, _ = of_max(x, None, dtype, kernel_size=(2, 3), stride=1, padding=(1, 1), **way)
    np.testing.assert_array_equal(y, [[nan, nan, nan, 5], [nan, nan, nan, 6], [nan, nan, nan, 6]])


@DTYPES
def test_infinities(dtype, way):
    """Padding is −∞, but never wins: where all is −∞, the first element of x does."""
    y, g = of_max([[inf, 1], [1, -inf]], None, dtype, kernel_size=1, **way)
    np.testing.assert_array_equal(y, [[inf, 1], [1, -inf]])
    np.testing.assert_array_equal(g, np.ones((2, 2)))
    y, g = of_max(np.full((2, 2), -inf), [[1, 2], [3, 4]], dtype, kernel_size=2, padding=1, **way)
    np.testing.assert_array_equal(y, np.full((2, 2), -inf))
    np.testing.assert_array_equal(g, [[1, 2], [3, 4]])
    y, g = of_max(np.full((3, 3), -inf), None, dtype, kernel_size=2, ceil_mode=True, **way)
    np.testing.assert_array_equal(g, [[1, 0, 1], [0, 0, 0], [1, 0, 1]])


@TWINS
def test_padding_of_a_maximum_is_no_zero(twins, device):
    y, g = of_max(np.full((2, 2), -5.0), None, device=device, twins=twins, kernel_size=3, padding=1, stride=2)
    np.testing.assert_array_equal(y, [[-5]])
    np.testing.assert_array_equal(g, [[1, 0], [0, 0]])


@pytest.mark.parametrize("differentiable", [True, False])
def test_the_first_of_equals_in_each_cell_of_a_grid(differentiable, device):
    x = leaf(np.ones((1, 1, 3, 4)), device)
    y = F.adaptive_max_pool2d(x, (2, 2))
    g = mg.grad(
        y, x, mg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype="float64", device=device), create_graph=differentiable
    )
    np.testing.assert_array_equal(host(g)[0, 0], [[1, 0, 2, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    x = leaf([[[[1, 2], [2, 1]]]], device)
    g = mg.grad(F.adaptive_max_pool2d(x, 1).sum(), x, create_graph=differentiable)
    np.testing.assert_array_equal(host(g)[0, 0], [[0, 1], [0, 0]])  # row by row, not column by column


@TWINS
def test_a_mean_without_padding_counts_what_is_there(twins, device):
    x = mg.tensor(np.ones((1, 3, 3)), device=device)
    with mg.twins(twins):
        np.testing.assert_allclose(host(F.avg_pool2d(x, 2, padding=1, count_include_pad=False)), np.ones((1, 2, 2)))
        np.testing.assert_allclose(host(F.avg_pool2d(x, 2, padding=1)), [[[0.25, 0.5], [0.5, 1]]])
        np.testing.assert_allclose(host(F.avg_pool2d(x, 2, ceil_mode=True)), np.ones((1, 2, 2)))


def test_windows_of_the_edge_with_ceil_mode_begin_inside():
    """As in PyTorch: a window that would begin in the padding behind does not count."""
    x = mg.zeros(1, 1, 5)
    assert F.max_pool1d(x, 2, ceil_mode=True).shape == (1, 1, 3)
    assert F.max_pool1d(x, 2, padding=1, ceil_mode=True).shape == (1, 1, 3)
    assert F.max_pool1d(mg.zeros(1, 1, 6), 2, 3, padding=1, ceil_mode=True).shape == (1, 1, 3)
    assert F.max_pool1d(x, 1, 4, ceil_mode=True).shape == (1, 1, 2)
    assert F.max_pool1d(mg.zeros(1, 1, 4), 1, 4, ceil_mode=True).shape == (1, 1, 1)


def test_global_pooling_is_the_mean_of_each_map():
    x = normal(2, 3, 4, 5)
    np.testing.assert_allclose(host(nn.GlobalAvgPool2d()(mg.tensor(x))), x.mean((2, 3)), rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------- beginnings


@pytest.mark.parametrize(
    ("make", "shape", "fan"),
    [
        (lambda **o: nn.Conv1d(8, 50, 5, **o), (50, 8, 5), 40),
        (lambda **o: nn.Conv2d(8, 40, 3, groups=4, **o), (40, 2, 3, 3), 18),
        (lambda **o: nn.ConvTranspose1d(40, 10, 5, **o), (40, 10, 5), 50),
        (lambda **o: nn.ConvTranspose2d(40, 12, (3, 2), groups=2, **o), (40, 6, 3, 2), 36),
    ],
)
def test_weights_start_as_pytorchs(make, shape, fan):
    layer = make(rng=mg.Generator(0))
    w = host(layer.weight)
    assert w.shape == shape
    assert w.dtype == np.float32
    bound = 1 / np.sqrt(fan)
    assert np.abs(w).max() == pytest.approx(bound, rel=0.02)
    assert w.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert 0.7 * bound < np.abs(host(layer.bias)).max() <= bound
    np.testing.assert_array_equal(w, host(make(rng=mg.Generator(0)).weight))


def test_layers_say_what_they_are():
    assert repr(nn.Conv2d(1, 32, 3)) == "Conv2d(1, 32, kernel_size=(3, 3))"
    assert repr(nn.Conv1d(4, 4, 3, stride=2, padding="valid", groups=2, bias=False)) == (
        "Conv1d(4, 4, kernel_size=(3,), stride=(2,), padding='valid', groups=2, bias=False)"
    )
    assert repr(nn.ConvTranspose2d(2, 1, 4, 2, 1, (1, 0))) == (
        "ConvTranspose2d(2, 1, kernel_size=(4, 4), stride=(2, 2), padding=1, output_padding=(1, 0))"
    )
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    assert repr(nn.AdaptiveAvgPool2d((1, None))) == "AdaptiveAvgPool2d(output_size=(1, None))"
    assert repr(nn.GlobalAvgPool2d()) == "GlobalAvgPool2d()"


# ------------------------------------------------------------------------------------------------------------ messages

CONV = "Conv2d(3, 8, kernel_size=(5, 5))"
GRAY = "Conv2d(1, 8, kernel_size=(5, 5))"


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            lambda: nn.Conv2d(3, 8, 5),
            (64, 28, 28, 3),
            f"{CONV}: conv2d: x of shape (64, 28, 28, 3) has 28 channels, but a weight of shape (8, 3, 5, 5) is for 3; "
            "channels come second: did you mean x.transpose(0, 3, 1, 2)?",
        ),
        (
            lambda: nn.Conv2d(3, 8, 5),
            (28, 28, 3),
            f"{CONV}: conv2d: x of shape (28, 28, 3) has 28 channels, but a weight of shape (8, 3, 5, 5) is for 3; "
            "channels come before places: did you mean x.transpose(2, 0, 1)?",
        ),
        (
            lambda: nn.Conv2d(3, 8, 5),
            (64, 1, 28, 28),
            f"{CONV}: conv2d: x of shape (64, 1, 28, 28) has 1 channels, but a weight of shape (8, 3, 5, 5) is for 3",
        ),
        (
            lambda: nn.Conv2d(1, 8, 5),
            (64, 28, 28),
            f"{GRAY}: conv2d: x of shape (64, 28, 28) has 64 channels, but a weight of shape (8, 1, 5, 5) is for 1; "
            "a batch of one channel each is x.reshape(64, 1, 28, 28)",
        ),
        (
            lambda: nn.Conv2d(1, 8, 5),
            (28, 28),
            f"{GRAY}: conv2d: x must have the shape (N, C, H, W) or (C, H, W), got (28, 28); one with one channel is "
            "x.reshape(1, 1, 28, 28)",
        ),
        (
            lambda: nn.Conv2d(1, 8, 5),
            (64, 784),
            f"{GRAY}: conv2d: x must have the shape (N, C, H, W) or (C, H, W), got (64, 784); one with one channel is "
            "x.reshape(1, 1, 64, 784)",
        ),
        (
            lambda: nn.Conv2d(1, 8, 5),
            (2, 1, 3, 6),
            f"{GRAY}: conv2d: a kernel that covers (5, 5) places is larger than x of shape (2, 1, 3, 6), which has "
            "(3, 6) with its padding; take a smaller kernel or more padding",
        ),
        (
            lambda: nn.Conv1d(4, 2, 3, groups=2),
            (2, 9, 4),
            "Conv1d(4, 2, kernel_size=(3,), groups=2): conv1d: x of shape (2, 9, 4) has 9 channels, but a weight of "
            "shape (2, 2, 3) in 2 groups is for 4; channels come second: did you mean x.transpose(0, 2, 1)?",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 1, 2, padding=2),
            (1, 3, 2, 2),
            "ConvTranspose2d(3, 1, kernel_size=(2, 2), padding=2): conv_transpose2d: nothing is left of x of shape "
            "(1, 3, 2, 2): the output would have the shape (-1, -1) with a kernel of (2, 2), stride (1, 1), padding "
            "(2, 2) and dilation (1, 1)",
        ),
        (
            lambda: nn.MaxPool2d(3),
            (2, 1, 2, 5),
            "MaxPool2d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False): max_pool2d: a kernel that "
            "covers (3, 3) places is larger than x of shape (2, 1, 2, 5), which has (2, 5) with its padding; take a "
            "smaller kernel or more padding",
        ),
        (
            lambda: nn.AvgPool2d(2, padding=2),
            (1, 4, 4),
            "AvgPool2d(kernel_size=2, stride=2, padding=2, ceil_mode=False, count_include_pad=True): avg_pool2d: "
            "padding (2, 2) must be at least 0 and at most half of the (2, 2) places that the kernel covers, or some "
            "windows would hold nothing",
        ),
        (
            lambda: nn.MaxPool2d(2),
            (4,),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False): max_pool2d: x must have the "
            "shape (…, H, W), got (4,)",
        ),
        (
            lambda: nn.AdaptiveAvgPool2d((2, 0)),
            (1, 1, 4, 4),
            "AdaptiveAvgPool2d(output_size=(2, 0)): adaptive_avg_pool2d: x of shape (1, 1, 4, 4) cannot be pooled to "
            "(2, 0) along its last axes",
        ),
        (
            lambda: nn.GlobalAvgPool2d(),
            (4,),
            "GlobalAvgPool2d(): global_avg_pool2d: x must have the shape (…, H, W), got (4,)",
        ),
    ],
)
@TWINS
def test_an_input_that_does_not_fit_is_refused_with_its_cure(layer, shape, message, twins):
    with mg.twins(twins), pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        layer()(mg.zeros(*shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 8, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3 and out_channels=8"),
        (lambda: nn.ConvTranspose1d(4, 3, 3, groups=2), "ConvTranspose1d: groups=2 must divide in_channels=4 and out"),
        (lambda: nn.Conv2d(1, 1, 3, groups=0), "Conv2d: groups=0 must divide"),
        (
            lambda: nn.Conv2d(1, 1, 3, padding_mode="reflect"),
            "Conv2d: padding_mode is 'zeros'; for 'reflect' call pad(x, …, mode=…) before",
        ),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "Conv2d: padding is 'same', 'valid' or numbers, not 'full'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"), "ConvTranspose2d: padding is numbers, not 'same'"),
        (lambda: nn.Conv1d(1, 1, 3, stride=2, padding="same"), "Conv1d: padding 'same' needs stride 1, got (2,)"),
        (
            lambda: nn.Conv2d(1, 1, (3, 3, 3)),
            "Conv2d: kernel_size=(3, 3, 3) must be an integer, or one for each of the 2",
        ),
        (lambda: nn.Conv2d(1, 1, 0), "Conv2d: kernel_size, stride and dilation must be at least 1"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), "Conv2d: padding=-1 must be an integer from 0 on"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_when_the_layer_is_made(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()


X = mg.zeros(2, 4, 6)


@TWINS
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.conv1d(X, mg.zeros(2, 4, 3, 3)), "conv1d: the weight has 3 axes, 1 of them the kernel's; got"),
        (lambda: F.conv1d(X, mg.zeros(3, 2, 3), groups=2), "conv1d: 3 outputs do not divide into 2 groups"),
        (lambda: F.conv1d(X, mg.zeros(3, 4, 3), groups=1.5), "conv1d: groups is an integer from 1 on, not 1.5"),
        (
            lambda: F.conv1d(X, mg.zeros(3, 4, 3), mg.zeros(4)),
            "conv1d: the bias has one number for each of the 3 outputs",
        ),
        (
            lambda: F.conv1d(X, mg.zeros(3, 4, 3), padding="all"),
            "conv1d: padding is 'same', 'valid' or numbers, not 'all'",
        ),
        (lambda: F.conv1d(X, mg.zeros(3, 4, 3), stride=2, padding="same"), "conv1d: padding 'same' needs stride 1"),
        (lambda: F.conv1d(X, mg.zeros(3, 4, 3), stride=0), "conv1d: kernel (3,), stride (0,) and dilation (1,) must"),
        (
            lambda: F.conv1d(X, mg.zeros(3, 4, 0)),
            "conv1d: kernel (0,), stride (1,) and dilation (1,) must be at least 1",
        ),
        (
            lambda: F.conv_transpose1d(X, mg.zeros(3, 4, 3)),
            "conv_transpose1d: x of shape (2, 4, 6) has 4 channels, but",
        ),
        (
            lambda: F.conv_transpose1d(X, mg.zeros(4, 3, 3), stride=2, output_padding=2),
            "conv_transpose1d: output_padding is at least 0 and less than stride (2,), got (2,)",
        ),
        (lambda: F.max_pool1d(X, 2, 0), "max_pool1d: kernel (2,), stride (0,) and dilation (1,) must be at least 1"),
        (lambda: F.max_pool1d(X, (2, 2)), "max_pool1d: kernel_size=(2, 2) must be an integer"),
        (lambda: F.adaptive_avg_pool1d(X, (2, 2)), "adaptive_avg_pool1d: output_size=(2, 2) must be an integer"),
    ],
)
def test_arguments_that_do_not_fit(call, message, twins):
    with mg.twins(twins), pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


# ---- inside the twin: which elements a place in a window meets, and which way its products go


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 2), (1, 3)])
@pytest.mark.parametrize(("n", "out", "kernel"), [(4, 3, 2), (1, 2, 3), (2, 4, 3), (7, 3, 1), (5, 1, 4)])
def test_places_in_a_window(n, out, kernel, stride, dilation, before):
    """The windows p that have place k inside of x, and stride·p + dilation·k − before."""
    found = list(inside.places([n], [out], [kernel], [stride], [dilation], [(before, 0)]))
    for i, (k, some, there) in enumerate(found):
        assert k == (i,)
        assert isinstance(some, tuple)  # an index of NumPy's, not a list of places
        assert isinstance(there, tuple)
        within = [p for p in range(out) if 0 <= stride * p + dilation * i - before < n]
        assert list(range(out))[some[0]] == within
        assert list(range(n))[there[0]] == [stride * p + dilation * i - before for p in within]


@pytest.mark.parametrize(("side", "by_image"), [(6, True), (4, False)])
def test_the_gradient_of_the_weight_takes_the_faster_product(side, by_image, monkeypatch):
    """Image by image where there are more places than numbers in a window, else all of them at once."""
    numpy, shapes = mg.backends.namespace(np.zeros(0)), []
    matmul = numpy.matmul
    monkeypatch.setattr(numpy, "matmul", lambda a, b, **how: shapes.append((a.shape, b.shape)) or matmul(a, b, **how))
    weight = mg.tensor(np.ones((5, 1, 3, 3)), requires_grad=True)
    y = mg.conv2d(mg.tensor(np.ones((2, 1, side, side))), weight)
    shapes.clear()
    y.sum().backward()
    places = (side - 2) ** 2
    assert (places > 9) == by_image
    assert shapes == [((1, 2, 5, places), (1, 2, places, 9)) if by_image else ((1, 9, 2 * places), (1, 2 * places, 5))]


def test_the_gradient_of_the_bias_is_one_number_for_each_channel():
    """Not for the walk to add up."""
    assert inside.towards_bias(np, np.ones((2, 3, 4, 5))).tolist() == [40, 40, 40]


@pytest.mark.parametrize("twin", [True, False], ids=["twin", "definition"])
@pytest.mark.parametrize(
    ("x", "gradient"),
    [
        ([1, 1, 0], [1, 0, 0]),
        ([0, 1, 1], [0, 1, 0]),
        ([1, 1, 1], [1, 0, 0]),
        ([1, 0, 1], [1, 0, 0]),
        ([2, 2, 1, 2, 2], [1, 0, 0, 0, 0]),
    ],
)
def test_the_first_of_several_equals_wins(x, gradient, twin, device):
    """Also of three and more: whoever has lost stays without."""
    with mg.twins(twin):
        t = mg.tensor(np.array([[x]], float), device=device, requires_grad=True)
        F.max_pool1d(t, len(x)).sum().backward()
        assert t.grad.numpy().tolist() == [[gradient]]
        square = mg.tensor(np.array([[[x, x, x]]], float), device=device, requires_grad=True)
        F.max_pool2d(square, (3, len(x))).sum().backward()
        assert square.grad.numpy().tolist() == [[[gradient, [0] * len(x), [0] * len(x)]]]


def test_who_looks_for_nan(monkeypatch):
    """Only where there is one: it is a pass over memory for each place in a window."""
    numpy, looked = mg.backends.namespace(np.zeros(0)), []
    isnan = numpy.isnan
    monkeypatch.setattr(numpy, "isnan", lambda x: looked.append(np.size(x)) or isnan(x))
    for value, passes in ((0.0, False), (5.0, False), (np.nan, True)):
        x = np.arange(8.0).reshape(1, 1, 8)
        x[0, 0, 2] = value
        t = mg.tensor(x, requires_grad=True)
        looked.clear()
        F.max_pool1d(t, 2).sum().backward()
        assert any(size > 1 for size in looked) == passes
