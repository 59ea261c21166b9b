"""PyTorch as oracle: everything public, on drawn calls, against the same function in PyTorch.

The property test holds derivatives against differences, which are good for six digits. Here the same calls meet another
library's formulas, to nearly all digits: values, gradients for a random gradient that comes in, and the gradients of
⟨gradients, v⟩ with respect to the inputs and to what came in. All on the CPU; that every backend computes the same is
tested elsewhere.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad

from .strategies import INVARIANT, calls, subject
from .test_registry import CONSTANT, PUBLIC, SETTINGS, TWINS, Run

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
F = torch.nn.functional

pytestmark = pytest.mark.filterwarnings(
    "ignore:Mean of empty slice",  # NumPy warns of the mean of nothing, which is nan
    "ignore:invalid value encountered in (scalar )?divide",
    r"ignore:(std|var)\(\)",  # PyTorch, even where there is no lane
    "ignore:Using padding='same' with even kernel",  # PyTorch copies, and says so
)


# ---- NumPy's keywords in PyTorch


def reduction(function):
    """axis and keepdims as dim and keepdim. PyTorch takes dim=() as all axes, NumPy as none: there, the reduction runs
    over an axis that is put in front."""

    def call(x, axis=None, keepdims=False, ddof=None):
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        options = {} if ddof is None else {"correction": ddof}
        if not len(axes):
            return function(x[None], dim=(0,), **options)
        return function(x, dim=tuple(axes), keepdim=keepdims, **options)

    return call


def first_extremum(function):
    """argmax and argmin: over all elements for axis None."""

    def call(x, axis, keepdims):
        return function(x, dim=axis, keepdim=keepdims)

    return call


def along_one(function):
    """For what PyTorch does along one axis only: the given axes are joined to a last one."""

    def call(x, axis=None, keepdims=False, **options):
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = sorted(a % x.ndim for a in axes)
        kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
        rest = [i for i in range(x.ndim) if i not in axes]
        shape = [x.shape[i] for i in rest]
        y = function(x.permute((*rest, *axes)).reshape(*shape, int(np.prod([x.shape[i] for i in axes]))), **options)
        several = y.shape[: y.ndim - len(rest)]
        return y.reshape((*several, *(kept if keepdims else shape)))

    return call


def flat_without_axis(function):
    """Over all elements in a row for axis None."""

    def call(x, axis):
        return function(x.reshape(-1), 0) if axis is None else function(x, axis)

    return call


def positions(shape, index):
    """Where x[index] finds its elements, counted through the flat x."""
    return torch.from_numpy(np.array(np.arange(int(np.prod(shape))).reshape(shape)[index]))


def getitem(x, index):
    """PyTorch's own brackets, except for a negative step, which it does not know, and an integer beside a list, which
    NumPy takes for a list too: the new axis then comes first."""
    parts = index if isinstance(index, tuple) else (index,)
    backwards = any(isinstance(i, slice) and (i.step or 1) < 0 for i in parts)
    if backwards or {int, list} <= {type(i) for i in parts}:
        return x.reshape(-1)[positions(x.shape, index)]
    return x[tuple(torch.tensor(i) if isinstance(i, (list, np.ndarray)) else i for i in parts)]


def index_put(x, value, index):
    places = positions(x.shape, index)
    while value.ndim > places.ndim:
        value = value[0]
    return x.reshape(-1).index_put((places.reshape(-1),), value.expand(places.shape).reshape(-1)).reshape(x.shape)


def repeat(x, repeats, axis):
    return torch.repeat_interleave(x, torch.tensor(repeats), dim=axis)


def parts(x, indices_or_sections, axis=0):
    return torch.cat([part.reshape(-1) for part in torch.tensor_split(x, indices_or_sections, dim=axis)])


def meshgrid(*xs, copy=True, sparse=False, indexing="xy"):
    """PyTorch's are dense; a sparse one has the elements of its vector, one by one."""
    xs = [x.reshape(-1) for x in xs]
    grids = torch.meshgrid(*xs, indexing=indexing) if len(xs) > 1 else xs
    return torch.cat([x if sparse else grid.reshape(-1) for x, grid in zip(xs, grids)])


def flat(function):
    """Several results, or one, as one flat one."""

    def call(*xs):
        ys = function(*xs)
        return torch.cat([y.reshape(-1) for y in ys]) if isinstance(ys, (tuple, list)) else ys

    return call


def pad(x, pad_width, mode="constant", constant_values=0, end_values=0, stat_length=None):
    """Axis after axis, from the front to the back. PyTorch's own modes reach no further than the array itself."""

    def pairs(value):
        return np.broadcast_to(np.asarray(value), (x.ndim, 2)).tolist()

    options = zip(pairs(pad_width), pairs(constant_values), pairs(end_values), pairs(stat_length), strict=True)
    for axis, (width, constants, ends, lengths) in enumerate(options):
        if width == [0, 0]:
            continue
        n, (before, after) = x.shape[axis], width
        x = x.movedim(axis, -1)
        if mode == "constant":
            x = F.pad(F.pad(x, (before, 0), value=constants[0]), (0, after), value=constants[1])
        elif mode in ("edge", "reflect", "symmetric", "wrap"):
            x = x[..., torch.from_numpy(np.pad(np.arange(n), width, mode))]
        elif mode == "linear_ramp":
            up = torch.arange(before, dtype=x.dtype) / max(before, 1)
            down = torch.arange(after, dtype=x.dtype).flip(0) / max(after, 1)
            left, right = x[..., :1] * up + ends[0] * (1 - up), x[..., -1:] * down + ends[1] * (1 - down)
            x = torch.cat([left, x, right], -1)
        else:
            statistic = {"mean": torch.mean, "maximum": torch.amax, "minimum": torch.amin}[mode]
            first, last = (min(n, length or n) for length in lengths)
            left, right = statistic(x[..., :first], -1)[..., None], statistic(x[..., n - last :], -1)[..., None]
            x = torch.cat([left.expand(*x.shape[:-1], before), x, right.expand(*x.shape[:-1], after)], -1)
        x = x.movedim(-1, axis)
    return x.clone()


def index_add(x, shape, index):
    y = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
    return y.index_add(0, positions(shape, index).reshape(-1), x.reshape(-1)).reshape(shape)


def expand_dims(x, axis):
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in sorted(a % (x.ndim + len(axes)) for a in axes):
        x = x.unsqueeze(a)
    return x


def listed(axes, a, b):
    """The axes of tensordot as PyTorch takes them: two lists."""
    over_a, over_b = (x if isinstance(x, tuple) else (x,) for x in axes)
    return [i % a.ndim for i in over_a], [i % b.ndim for i in over_b]


def joined(function):
    """Several results as one flat one."""
    return lambda *xs: torch.cat([y.reshape(-1) for y in function(*xs)])


def symmetric(function):
    return lambda a: function((a + a.mT) / 2)


def windows(x, kernel, stride, dilation):
    """PyTorch's unfold, axis by axis: it has no dilation, but then every dilation-th element of a longer window."""
    first = x.ndim - len(kernel)
    for i, (k, s, d) in enumerate(zip(kernel, stride, dilation)):
        x = x.unfold(first + i, d * (k - 1) + 1, s)[..., ::d]
    return x


def unfold(x, kernel, stride=1, dilation=1, padding=0):
    kernel = kernel if isinstance(kernel, tuple) else (kernel,)
    stride, dilation, padding = (v if isinstance(v, tuple) else (v,) * len(kernel) for v in (stride, dilation, padding))
    sides = [p if isinstance(p, tuple) else (p, p) for p in reversed(padding)]
    return windows(F.pad(x, [n for pair in sides for n in pair]), kernel, stride, dilation)


def fold(w, shape, **options):
    """The adjoint of unfold, which is linear: its derivative along w."""
    x = torch.zeros(shape, dtype=w.dtype, requires_grad=True)
    kernel = w.shape[len(shape) :]
    return torch.autograd.grad(unfold(x, tuple(kernel), **options), x, w, create_graph=True)[0]


def mse_loss(prediction, target, reduction="mean"):
    """Half the sum of squares, and that over the number of samples, are not PyTorch's."""
    if not reduction.startswith("half"):
        return F.mse_loss(prediction, target, reduction=reduction)
    total = F.mse_loss(prediction, target, reduction="sum") / 2
    return total / len(prediction) if reduction == "half_mean" and prediction.ndim else total


def kl_div(log_q, p, reduction, log_target):
    """A warning says that "mean" will one day be "batchmean", which a single number does not have."""
    if reduction == "batchmean":
        return F.kl_div(log_q, p, reduction="sum", log_target=log_target) / (len(log_q) if log_q.ndim else 1)
    losses = F.kl_div(log_q, p, reduction="none", log_target=log_target)
    return {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]


def multi_margin_loss(x, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """PyTorch's own has no second derivative."""
    rows, k = torch.atleast_2d(x), torch.atleast_1d(target)
    short = (margin - rows.gather(1, k[:, None]) + rows).relu() ** p * (1 - F.one_hot(k, rows.shape[1]))
    losses = short.mean(1) * (1 if weight is None else weight[k])
    return {"mean": losses.mean(), "sum": losses.sum(), "none": losses.reshape(target.shape)}[reduction]


def weighted(loss):
    """Weights as tensors of the precision of the first input."""

    def call(x, target, **options):
        weights = {k: torch.tensor(v, dtype=x.dtype) for k, v in options.items() if "weight" in k and v is not None}
        return loss(x, target, **options | weights)

    return call


def scaled_dot_product_attention(q, k, v, may_attend=None, causal=False, scale=None):
    """PyTorch aligns is_causal at the first key: here the mask says it. Its other kernels have no second derivative."""
    mask = torch.ones(q.shape[-2], k.shape[-2], dtype=bool)
    mask = mask.tril(k.shape[-2] - q.shape[-2]) if causal else mask
    mask = mask if may_attend is None else mask & torch.tensor(may_attend)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v, mask, scale=scale)


def attention_weights(q, k, **masks):
    """With the unit matrix for values, attention gives its weights."""
    return scaled_dot_product_attention(q, k, torch.eye(k.shape[-2], dtype=k.dtype).expand(*k.shape[:-1], -1), **masks)


def sinusoidal_positions(positions, width, longest=10000.0):
    waves = torch.exp(torch.arange(width, dtype=positions.dtype) // 2 * (-2 / width) * np.log(longest))
    angles = positions[..., None] * waves
    return torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())


def batch_norm(x, running_mean, running_var, weight, bias, training=False):
    """To PyTorch the running statistics are constants, and may not ask for a gradient."""
    mean, variance = (r if r is None else r.detach() for r in (running_mean, running_var))
    return F.batch_norm(x, mean, variance, weight, bias, training)


def stepped(cell):
    """PyTorch's cell, which takes batches, for one sample too."""

    def call(x, *rest, **options):
        states, weights = rest[:-4], rest[-4:]
        if x.ndim > 1:
            return cell(x, *states, *weights, **options)
        ys = cell(x[None], *(state[None] for state in states), *weights, **options)
        return tuple(y[0] for y in ys) if isinstance(ys, tuple) else ys[0]

    return call


def rnn_cell(x, h, *weights, nonlinearity="tanh"):
    return (torch.rnn_tanh_cell if nonlinearity == "tanh" else torch.rnn_relu_cell)(x, h, *weights)


def lstm_cell(x, h, c, *weights):
    return torch.lstm_cell(x, (h, c), *weights)


def walked(cell):
    """PyTorch's cell, step after step: its own layers know no sequences with gaps."""

    def call(x, *rest, present=None, reverse=False, **options):
        states, weights = rest[:-4], rest[-4:]
        here = torch.ones(x.shape[:2], dtype=torch.bool) if present is None else torch.tensor(present)
        outputs = {}
        for t in reversed(range(len(x))) if reverse else range(len(x)):
            ys = cell(x[t], *states, *weights, **options)
            ys = ys if isinstance(ys, tuple) else (ys,)
            outputs[t] = ys[0] * here[t][:, None]
            states = [torch.where(here[t][:, None], y, state) for y, state in zip(ys, states)]
        return torch.stack([*(outputs[t] for t in range(len(x))), *states])

    return call


ORACLE = {
    # element by element
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "floor_divide": lambda a, b: torch.div(a, b, rounding_mode="floor"),  # floor_divide's derivative is an error
    "negative": torch.neg,
    "positive": torch.positive,
    "remainder": torch.remainder,
    "power": torch.pow,
    "square": torch.square,
    "sqrt": torch.sqrt,
    "reciprocal": torch.reciprocal,
    "abs": torch.abs,
    "sign": torch.sign,
    "exp": torch.exp,
    "log": torch.log,
    "log1p": torch.log1p,
    "expm1": torch.expm1,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softplus": F.softplus,
    "erf": torch.erf,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "clip": lambda *xs: torch.clip(*torch.broadcast_tensors(*xs)),  # its own broadcasting fails in backward
    "where": torch.where,
    "tan": torch.tan,
    "arcsin": torch.arcsin,
    "arccos": torch.arccos,
    "arctan": torch.arctan,
    "arctan2": torch.arctan2,
    "hypot": torch.hypot,
    "sinc": torch.sinc,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "arcsinh": torch.arcsinh,
    "arccosh": torch.arccosh,
    "arctanh": torch.arctanh,
    "log2": torch.log2,
    "log10": torch.log10,
    "exp2": torch.exp2,
    "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3),
    "logaddexp": torch.logaddexp,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": torch.trunc,
    "round": lambda x, decimals: torch.round(x, decimals=decimals),
    "fmod": torch.fmod,
    "mod": torch.remainder,
    "copysign": torch.copysign,
    "nextafter": lambda a, b: torch.nextafter(a.detach(), b.detach()),  # its derivative is an error
    "real": torch.real,
    "imag": torch.zeros_like,  # PyTorch has it for complex numbers alone
    "conj": torch.conj,
    "fmax": torch.fmax,
    "fmin": torch.fmin,
    "nan_to_num": torch.nan_to_num,
    # comparisons and logic
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "logical_not": torch.logical_not,
    "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or,
    "bitwise_xor": torch.bitwise_xor,
    "left_shift": torch.bitwise_left_shift,
    "right_shift": torch.bitwise_right_shift,
    "invert": torch.bitwise_not,
    "isnan": torch.isnan,
    "isinf": torch.isinf,
    "isfinite": torch.isfinite,
    "signbit": torch.signbit,
    # reductions
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "max": reduction(torch.amax),
    "min": reduction(torch.amin),
    "var": reduction(torch.var),
    "std": reduction(torch.std),
    "logsumexp": reduction(torch.logsumexp),
    "any": reduction(torch.any),
    "all": reduction(torch.all),
    "argmax": first_extremum(torch.argmax),
    "argmin": first_extremum(torch.argmin),
    "count_nonzero": reduction(lambda x, dim, keepdim=False: (x != 0).sum(dim, keepdim)),
    # scans, order, norms
    "prod": along_one(lambda x: torch.prod(x, -1)),
    "cumsum": flat_without_axis(torch.cumsum),
    "cumprod": flat_without_axis(torch.cumprod),
    "diff": lambda x, prepend, append, n=1, axis=-1: torch.diff(x, n, axis, prepend, append),
    "sort": flat_without_axis(lambda x, axis: torch.sort(x, dim=axis, stable=True).values),
    "argsort": flat_without_axis(lambda x, axis: torch.argsort(x, dim=axis, stable=True)),
    "topk": lambda x, k, axis=-1: torch.topk(x, k, axis).values.reshape(-1),
    "median": along_one(lambda x: torch.quantile(x, 0.5, -1)),
    "quantile": along_one(lambda x, q: torch.quantile(x, torch.tensor(q, dtype=x.dtype), -1)),
    "searchsorted": lambda a, v, side: torch.searchsorted(a, v, side=side),
    "norm": lambda x, ord, axis, keepdims: torch.linalg.norm(x, ord, axis, keepdims),
    "one_hot": lambda indices, classes, dtype="float32": F.one_hot(indices, classes).to(getattr(torch, dtype)),
    # shapes and indices
    "reshape": lambda x, shape: torch.reshape(x, shape if isinstance(shape, tuple) else (shape,)),
    "transpose": lambda x, axes: torch.permute(x, axes if axes is not None else tuple(reversed(range(x.ndim)))),
    "swapaxes": lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    "expand_dims": expand_dims,
    "squeeze": lambda x, axis: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "concatenate": lambda *xs, axis: torch.cat(xs, axis),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "copy": torch.clone,
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "to": lambda x, device: x.to(device),
    "getitem": getitem,
    "index_add": index_add,
    "index_put": index_put,
    "masked_fill": lambda x, mask, value: torch.where(mask, value, x),
    "flip": lambda x, axis: torch.flip(x, tuple(range(x.ndim)) if axis is None else np.atleast_1d(axis).tolist()),
    "roll": lambda x, shift, axis: torch.roll(
        x, shift if axis is None else np.broadcast_to(shift, np.shape(axis)).ravel().tolist(), axis
    ),
    "rot90": lambda x, k=1, axes=(0, 1): torch.rot90(x, k, axes),
    "repeat": repeat,
    "tile": lambda x, reps: torch.tile(x, (reps,) if isinstance(reps, int) else reps),
    "moveaxis": lambda x, source, destination: torch.movedim(x, source, destination),
    "matrix_transpose": lambda x: x.mT,
    "take": lambda x, indices, axis=None: getitem(
        x.reshape(-1) if axis is None else x,
        (slice(None),) * (0 if axis is None else axis % x.ndim) + (np.asarray(indices, int),),
    ),
    "unstack": lambda x, axis=0: torch.cat([part.reshape(-1) for part in torch.unbind(x, axis)]),
    "ravel": torch.ravel,
    "flatten": torch.flatten,
    "atleast_1d": flat(torch.atleast_1d),
    "atleast_2d": flat(torch.atleast_2d),
    "atleast_3d": flat(torch.atleast_3d),
    "broadcast_arrays": flat(lambda *xs: torch.broadcast_tensors(*xs)),
    "meshgrid": meshgrid,
    "split": parts,
    "array_split": parts,
    "hstack": lambda *xs: torch.hstack(xs),
    "vstack": lambda *xs: torch.vstack(xs),
    "column_stack": lambda *xs: torch.column_stack(xs),
    "pad": pad,
    "tril": lambda x, k: torch.tril(x, k),
    "triu": lambda x, k: torch.triu(x, k),
    "diagonal": lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2),
    "trace": lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2).sum(-1),
    "diag": lambda x, k=0: torch.diag(x, k),
    "take_along_axis": lambda x, indices, axis: torch.take_along_dim(x, indices % x.shape[axis], axis),
    "matmul": torch.matmul,
    # products
    "tensordot": lambda a, b, axes: torch.tensordot(a, b, axes if isinstance(axes, int) else listed(axes, a, b)),
    "dot": lambda a, b: torch.tensordot(a, b, ([-1], [-1 if b.ndim == 1 else -2])) if a.ndim and b.ndim else a * b,
    "inner": torch.inner,
    "vdot": lambda a, b: torch.vdot(a.reshape(-1), b.reshape(-1)),
    "outer": lambda a, b: torch.outer(a.reshape(-1), b.reshape(-1)),
    "vecdot": lambda a, b, axis=-1: torch.linalg.vecdot(a, b, dim=axis),
    "cross": lambda a, b, axis=-1: torch.linalg.cross(a, b, dim=axis),
    "kron": torch.kron,
    "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    # linear algebra
    "solve": lambda a, b: torch.linalg.solve(a, b if b.ndim > 1 else b.expand(a.shape[:-1])),
    "inv": torch.linalg.inv,
    "det": torch.linalg.det,
    "slogdet": joined(torch.linalg.slogdet),
    "cholesky": symmetric(torch.linalg.cholesky),
    "eigh": symmetric(joined(lambda a: INVARIANT["eigh"](*torch.linalg.eigh(a)))),
    "eigvalsh": symmetric(torch.linalg.eigvalsh),
    "qr": joined(lambda a: INVARIANT["qr"](*torch.linalg.qr(a))),
    "svd": joined(lambda a: INVARIANT["svd"](*torch.linalg.svd(a, full_matrices=False))),
    "matrix_power": lambda a, n: torch.linalg.matrix_power(a, n),
    "pinv": torch.linalg.pinv,
    # windows
    "windows": windows,
    "unfold": lambda x, **options: unfold(x, **options),
    "fold": fold,
    # functions of networks
    "linear": F.linear,
    "rnn_cell": stepped(rnn_cell),
    "lstm_cell": flat(stepped(lstm_cell)),
    "gru_cell": stepped(torch.gru_cell),
    "rnn": walked(rnn_cell),
    "lstm": walked(lstm_cell),
    "gru": walked(torch.gru_cell),
    "conv1d": F.conv1d,
    "conv2d": F.conv2d,
    "conv_transpose1d": F.conv_transpose1d,
    "conv_transpose2d": F.conv_transpose2d,
    "max_pool1d": F.max_pool1d,
    "max_pool2d": F.max_pool2d,
    "avg_pool1d": F.avg_pool1d,
    "avg_pool2d": F.avg_pool2d,
    "adaptive_avg_pool1d": F.adaptive_avg_pool1d,
    "adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool2d": F.adaptive_max_pool2d,
    "global_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 1)[..., 0, 0],
    "softmax": lambda x, axis: F.softmax(x, axis),
    "log_softmax": lambda x, axis: F.log_softmax(x, axis),
    "gelu": lambda x, approximate: F.gelu(x, approximate=approximate),
    "silu": F.silu,
    "mish": F.mish,
    "softsign": F.softsign,
    "logsigmoid": F.logsigmoid,
    "leaky_relu": F.leaky_relu,
    "prelu": F.prelu,
    "elu": F.elu,
    "selu": F.selu,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "glu": lambda x, axis=-1: F.glu(x, axis),
    "standardize_batch": lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, True),
    "batch_norm": batch_norm,
    "layer_norm": lambda x, weight, bias, normalized_shape, eps=1e-5: F.layer_norm(
        x, np.atleast_1d(normalized_shape).tolist(), weight, bias, eps
    ),
    "rms_norm": lambda x, weight, normalized_shape, eps=None: F.rms_norm(
        x, np.atleast_1d(normalized_shape).tolist(), weight, eps
    ),
    "group_norm": lambda x, weight, bias, num_groups: F.group_norm(x, num_groups, weight, bias),
    "instance_norm": lambda x, weight, bias: F.instance_norm(x, None, None, weight, bias),
    "embedding": lambda i, weight: F.embedding(i, weight) if i.numel() else weight[i],  # its second derivative fails
    "mse_loss": mse_loss,
    "l1_loss": F.l1_loss,
    "huber_loss": F.huber_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "cosine_similarity": lambda x1, x2, axis=1, eps=1e-8: F.cosine_similarity(x1, x2, axis, eps),
    "cosine_embedding_loss": F.cosine_embedding_loss,
    "hinge_embedding_loss": F.hinge_embedding_loss,
    "cross_entropy": weighted(F.cross_entropy),
    "nll_loss": weighted(F.nll_loss),
    "multi_margin_loss": weighted(multi_margin_loss),
    "kl_div": kl_div,
    "binary_cross_entropy": weighted(F.binary_cross_entropy),
    "binary_cross_entropy_with_logits": weighted(F.binary_cross_entropy_with_logits),
    "hinge_loss": lambda y, t, **options: F.l1_loss((1 - t * y).relu(), torch.zeros_like(y), **options),
    # attention
    "attention_weights": attention_weights,
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "sinusoidal_positions": sinusoidal_positions,
}

EXCEPTIONS: dict[str, str] = {  # what PyTorch does not have, or means otherwise: {name: the reason}
    "dropout": "it draws other noise",
    "dropout1d": "it draws other noise",
    "dropout2d": "it draws other noise",
}
ASKED = [name for name in PUBLIC if name in ORACLE]


def test_all_but_at_most_ten_have_an_oracle():
    """The reasons stand in EXCEPTIONS; an operation that was just declared may wait for its line here."""
    assert not ORACLE.keys() & EXCEPTIONS.keys()
    assert {*ORACLE, *EXCEPTIONS} <= set(PUBLIC)
    assert len(PUBLIC) - len(ASKED) <= 10
    assert all(EXCEPTIONS.values())


# ---- the same call in both


class Both:
    """A drawn call in minigrad and in PyTorch, at the same points in the same precision."""

    def __init__(self, name, call, dtype=np.float64):
        self.oracle, self.call = ORACLE[name], call
        self.run = Run(subject(name), call, "cpu", dtype)
        self.dtype = dtype

    def inputs(self):
        """PyTorch's inputs; floats require gradients."""
        for x in self.call.inputs:
            if x is None:
                yield None
                continue
            floats = x.dtype.kind == "f"
            yield torch.from_numpy(np.array(x, self.dtype if floats else None, order="C")).requires_grad_(floats)

    def value(self):
        y = self.oracle(*self.inputs(), **self.call.options)
        return self.run.value(self.run.points).numpy(), y.detach().numpy()

    def gradients(self, g):
        """PyTorch's inputs, the gradient that came in, and the gradients of the inputs, all to be differentiated on."""
        inputs = list(self.inputs())
        xs = [x for x, smooth in zip(inputs, self.call.smooth, strict=True) if smooth]
        y = self.oracle(*inputs, **self.call.options)
        g = torch.from_numpy(g).to(y.dtype).requires_grad_()
        return xs, g, torch.autograd.grad(y, xs, g, create_graph=True, materialize_grads=True)

    def along(self, gradients, vs, wanted, grad, tensor):
        """The gradients of ⟨gradients, v⟩ in one of the libraries: None where there are none."""
        recorded = [(gx, tensor(v)) for gx, v in zip(gradients, vs, strict=True) if gx.requires_grad]
        if not recorded:
            return [None] * len(wanted)
        return grad([gx for gx, _ in recorded], wanted, [v for _, v in recorded], allow_unused=True)


def assert_same(found, expected, tolerance):
    """Floats to the tolerance, relative to the largest and at least to 1; anything else exactly."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
    elif found.size:
        scale = max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def drawn(name, data):
    return data.draw(calls(subject(name)))


@pytest.mark.parametrize("name", ASKED)
@SETTINGS
@given(data=st.data())
def test_value(name, data):
    call = drawn(name, data)
    assert_same(*Both(name, call).value(), 1e-12)
    assert_same(*Both(name, call, np.float32).value(), 1e-5)


@pytest.mark.parametrize(("name", "twins"), [case for case in TWINS if case.values[0] in ORACLE])
@SETTINGS
@given(data=st.data())
def test_derivatives(name, twins, data):
    both = Both(name, drawn(name, data))
    run = both.run
    if not run.points:
        return
    rng = np.random.default_rng(0)
    g = np.asarray(rng.uniform(-2, 2, run.value(run.points).shape))
    vs = [np.asarray(rng.uniform(-2, 2, x.shape)) for x in run.points]

    expected_xs, expected_g, expected = both.gradients(g)
    with minigrad.twins(twins):
        _, _, plain = run.gradients(run.points, g)
        xs, start, found = run.gradients(run.points, g, create_graph=True)
        second = both.along(found, vs, [*xs, start], minigrad.grad, minigrad.tensor)
    for first in (plain, found):
        for gx, ex in zip(first, expected, strict=True):
            assert_same(gx.detach().numpy(), ex.detach().numpy(), 1e-10)

    oracle = both.along(expected, vs, [*expected_xs, expected_g], torch.autograd.grad, torch.from_numpy)
    for x, h, o in zip([*xs, start], second, oracle, strict=True):
        zero = np.zeros(x.shape, x.dtype)
        assert_same(zero if h is None else h.numpy(), zero if o is None else o.numpy(force=True), 1e-9)


@pytest.mark.parametrize("name", [name for name in CONSTANT if name in ORACLE])
@SETTINGS
@given(data=st.data())
def test_what_has_no_derivative_here_has_none_in_pytorch_or_zero(name, data):
    both = Both(name, drawn(name, data))
    inputs = list(both.inputs())
    y = both.oracle(*inputs, **both.call.options)
    if y.requires_grad:
        floats = [x for x in inputs if x.requires_grad]
        for gx in torch.autograd.grad(y, floats, torch.ones_like(y), materialize_grads=True):
            assert not gx.any()
