"""Calls that CuPy refuses, or answers differently from NumPy: one table for the stand-in and for real CuPy.

A line is a name, what is called with the modules `cp` and `cx` (cupy and cupyx), and what is expected: an exception, or
several of which one is raised, or the value that comes back. The stand-in refuses every operand that does not live on
the device with a TypeError; where CuPy fails on it in another way, both are named.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

LinAlgError = np.linalg.LinAlgError
REFUSED = (TypeError, AttributeError)


def host(x: Any) -> Any:
    """An array as nested Python lists, wherever it lives."""
    return (x.get() if hasattr(x, "get") else x).tolist()


def grid(cp: Any) -> Any:
    return cp.arange(6, dtype="float32").reshape(2, 3)


def finite(cp: Any, x: Any) -> bool:
    return bool(cp.isfinite(x).all())


def tricks(cp: Any) -> Any:
    return cp.lib.stride_tricks


def through_element(cp: Any) -> Any:
    """An element after a write to it by way of an array of it."""
    x = grid(cp)
    element = x[0, 0]
    element[...] = 7
    return host(x[0, 0])


def written(write: Callable) -> Callable:
    """Runs `write(cp, x)` on the vector [0, 1, 2], and gives what x is then."""

    def run(cp: Any, cx: Any) -> list:
        x = cp.arange(3, dtype="float32")
        write(cp, x)
        return host(x)

    return run


HOST = np.ones((2, 3), np.float32)
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]

OPERANDS = [
    ("a ufunc with a host array", lambda cp, cx: cp.add(grid(cp), HOST), TypeError),
    ("a ufunc with a 0-d host array", lambda cp, cx: cp.add(grid(cp), np.array(1.0)), TypeError),
    ("a ufunc with a list", lambda cp, cx: cp.add(grid(cp), [1.0, 2.0, 3.0]), TypeError),
    ("a ufunc with a tuple", lambda cp, cx: cp.multiply((1.0, 2.0, 3.0), grid(cp)), TypeError),
    ("a ufunc of a host array", lambda cp, cx: cp.exp(HOST), TypeError),
    ("array + host array", lambda cp, cx: grid(cp) + HOST, TypeError),
    ("host array * array", lambda cp, cx: HOST * grid(cp), TypeError),
    ("array - list", lambda cp, cx: grid(cp) - [1.0, 2.0, 3.0], TypeError),
    ("list / array", lambda cp, cx: [1.0, 2.0, 3.0] / grid(cp), TypeError),
    ("array @ host array", lambda cp, cx: grid(cp) @ HOST.T, TypeError),
    ("array < host array", lambda cp, cx: grid(cp) < HOST, TypeError),
    ("array += host array", lambda cp, cx: operator.iadd(grid(cp), HOST), TypeError),
    ("matmul with a host array", lambda cp, cx: cp.matmul(grid(cp), HOST.T), TypeError),
    ("concatenate with a host array", lambda cp, cx: cp.concatenate([grid(cp), HOST]), TypeError),
    ("stack with a host array", lambda cp, cx: cp.stack([grid(cp), HOST]), TypeError),
    ("where with a host array", lambda cp, cx: cp.where(grid(cp) > 1, HOST, 0.0), TypeError),
    ("where with a Python condition", lambda cp, cx: cp.where(True, grid(cp), 0.0), REFUSED),
    ("where with a list as condition", lambda cp, cx: cp.where([True, False, True], grid(cp), 0.0), REFUSED),
    ("sum of a list", lambda cp, cx: cp.sum([1.0, 2.0]), REFUSED),
    ("clip of a list", lambda cp, cx: cp.clip([1.0, 2.0], 0, 1), REFUSED),
    ("transpose of a list", lambda cp, cx: cp.transpose([[1.0], [2.0]]), REFUSED),
    ("lexsort of a tuple", lambda cp, cx: cp.lexsort((cp.arange(3), cp.arange(3))), REFUSED),
    ("any of a host array", lambda cp, cx: cp.any(HOST), TypeError),
    ("nonzero of a host array", lambda cp, cx: cp.nonzero(HOST), TypeError),
    ("searchsorted of a list", lambda cp, cx: cp.searchsorted(cp.arange(3), [1, 2]), NotImplementedError),
    ("solve with host arrays", lambda cp, cx: cp.linalg.solve(np.eye(2), np.ones(2)), LinAlgError),
    ("inverse of a host array", lambda cp, cx: cp.linalg.inv(np.eye(2)), LinAlgError),
    ("repeat by a host array", lambda cp, cx: cp.repeat(cp.arange(2), np.array([1, 2])), TypeError),
    ("copyto from a host array", lambda cp, cx: cp.copyto(grid(cp), HOST), (TypeError, ValueError)),
    ("x[...] = host array", written(lambda cp, x: operator.setitem(x, ..., np.ones(3))), ValueError),
    ("x[:] = list", written(lambda cp, x: operator.setitem(x, slice(None), [1.0, 2.0, 3.0])), ValueError),
    ("out= a host array", lambda cp, cx: cp.exp(grid(cp), out=HOST.copy()), TypeError),
]

HOST_SIDE = [
    ("np.asarray of an array", lambda cp, cx: np.asarray(grid(cp)), TypeError),
    ("np.asarray of a list of arrays", lambda cp, cx: np.asarray([grid(cp), grid(cp)]), TypeError),
    ("memoryview of an array", lambda cp, cx: memoryview(grid(cp)), TypeError),
    ("np.from_dlpack of an array", lambda cp, cx: np.from_dlpack(grid(cp)), (BufferError, RuntimeError)),
    ("from_dlpack of a host array", lambda cp, cx: cp.from_dlpack(HOST), TypeError),
    ("np.sin of an array is one", lambda cp, cx: isinstance(np.sin(grid(cp)), np.ndarray), False),
    ("np.sum of an array is one", lambda cp, cx: isinstance(np.sum(grid(cp)), cp.ndarray), True),
    ("np.concatenate of arrays is one", lambda cp, cx: isinstance(np.concatenate([grid(cp)]), np.ndarray), False),
    ("NumPy scalar * array is an array", lambda cp, cx: isinstance(np.float32(2) * grid(cp), np.ndarray), False),
    ("np.insert, which CuPy lacks", lambda cp, cx: np.insert(grid(cp), 0, 1.0), TypeError),
    ("np.einsum_path, which CuPy lacks", lambda cp, cx: np.einsum_path("ij,kj", grid(cp), grid(cp)), TypeError),
    ("an array is no index of a list", lambda cp, cx: [1, 2, 3][cp.array(1)], TypeError),
    ("an array is no length of a range", lambda cp, cx: range(cp.array(3)), TypeError),
    ("asnumpy gives a host array", lambda cp, cx: isinstance(cp.asnumpy(grid(cp)), np.ndarray), True),
]

KEYWORDS = [
    ("add has no where", lambda cp, cx: cp.add(grid(cp), 1, where=grid(cp) > 1), TypeError),
    ("add has no order", lambda cp, cx: cp.add(grid(cp), 1, order="C"), TypeError),
    ("exp has no subok", lambda cp, cx: cp.exp(grid(cp), subok=True), TypeError),
    ("sum has no where", lambda cp, cx: cp.sum(grid(cp), where=grid(cp) > 1), TypeError),
    ("sum has no initial", lambda cp, cx: cp.sum(grid(cp), initial=1.0), TypeError),
    ("sum has five parameters", lambda cp, cx: cp.sum(grid(cp), 0, None, None, False, 0.0), TypeError),
    ("mean has no where", lambda cp, cx: cp.mean(grid(cp), where=grid(cp) > 1), TypeError),
    ("max has no initial", lambda cp, cx: cp.max(grid(cp), initial=9.0), TypeError),
    ("std has no correction", lambda cp, cx: cp.std(grid(cp), correction=1), TypeError),
    ("take has no mode", lambda cp, cx: cp.take(grid(cp), 0, mode="clip"), TypeError),
    ("einsum has no out", lambda cp, cx: cp.einsum("ij->i", grid(cp), out=cp.zeros(2, "float32")), TypeError),
    ("matmul takes out by keyword", lambda cp, cx: cp.matmul(cp.eye(2), cp.eye(2), cp.zeros((2, 2))), TypeError),
    ("stack names its arrays tup", lambda cp, cx: cp.stack(arrays=[grid(cp)]), TypeError),
    ("unravel_index names the shape dims", lambda cp, cx: cp.unravel_index(cp.array([3]), shape=(2, 3)), TypeError),
    ("sort has no stable", lambda cp, cx: cp.sort(grid(cp), stable=True), TypeError),
    ("sort has one kind", lambda cp, cx: cp.sort(grid(cp), kind="quicksort"), ValueError),
    ("quantile has few methods", lambda cp, cx: cp.quantile(grid(cp), 0.5, method="hazen"), ValueError),
    ("full_like takes no subok", lambda cp, cx: cp.full_like(grid(cp), 1, subok=False), TypeError),
    ("array takes no subok", lambda cp, cx: cp.array([1.0], subok=True), NotImplementedError),
    ("astype takes no casting", lambda cp, cx: grid(cp).astype("float64", casting="safe"), TypeError),
    ("as_strided takes no writeable", lambda cp, cx: tricks(cp).as_strided(grid(cp), writeable=True), TypeError),
    (
        "windows are not writeable",
        lambda cp, cx: tricks(cp).sliding_window_view(cp.arange(3), 2, writeable=True),
        NotImplementedError,
    ),
]

ABSENT = [
    *(
        (f"there is no {name}", lambda cp, cx, name=name: getattr(cp, name), AttributeError)
        for name in ("vecdot", "insert", "block", "nditer", "ndenumerate", "errstate", "einsum_path")
    ),
    *(
        (f"draws have no {name}", lambda cp, cx, name=name: getattr(cp.random.default_rng(0), name), AttributeError)
        for name in ("normal", "permutation", "shuffle", "choice", "spawn")
    ),
    ("maximum.reduce", lambda cp, cx: cp.maximum.reduce(grid(cp)), NotImplementedError),
    ("multiply.at", lambda cp, cx: cp.multiply.at(cp.ones(3), cp.array([1]), 2.0), NotImplementedError),
    ("add.at of int16", lambda cp, cx: cp.add.at(cp.zeros(3, "int16"), cp.array([1]), 2), TypeError),
    ("the ziggurat", lambda cp, cx: cp.random.default_rng(0).standard_exponential(method="zig"), NotImplementedError),
    ("flags have no writeable", lambda cp, cx: grid(cp).flags.writeable, AttributeError),
    ("flags cannot be set", lambda cp, cx: grid(cp).setflags(write=False), AttributeError),
    ("objects", lambda cp, cx: cp.array([object()]), ValueError),
    ("strings", lambda cp, cx: cp.array(["a"]), ValueError),
    ("a long double", lambda cp, cx: cp.zeros(3, np.longdouble), ValueError),
    ("sorting a transpose in place", lambda cp, cx: grid(cp).T.sort(), NotImplementedError),
    ("joining 0-d arrays", lambda cp, cx: cp.concatenate([cp.array(1), cp.array(2)]), TypeError),
    (
        "broadcasting the stacks of solve",
        lambda cp, cx: cp.linalg.solve(cp.stack([cp.eye(3)] * 2), cp.ones((3, 2))),
        ValueError,
    ),
]

ANSWERS = [
    ("a sum is a 0-d array", lambda cp, cx: isinstance(grid(cp).sum(), cp.ndarray), True),
    ("a mean is a 0-d array", lambda cp, cx: isinstance(cp.mean(grid(cp)), cp.ndarray), True),
    ("an argmax is a 0-d array", lambda cp, cx: isinstance(cp.argmax(grid(cp)), cp.ndarray), True),
    ("a product of vectors is a 0-d array", lambda cp, cx: isinstance(cp.arange(3) @ cp.arange(3), cp.ndarray), True),
    ("a norm is a 0-d array", lambda cp, cx: isinstance(cp.linalg.norm(grid(cp)), cp.ndarray), True),
    ("allclose is a 0-d array", lambda cp, cx: isinstance(cp.allclose(grid(cp), grid(cp)), cp.ndarray), True),
    ("array_equal is a 0-d array", lambda cp, cx: isinstance(cp.array_equal(grid(cp), grid(cp)), cp.ndarray), True),
    ("a ufunc of numbers is a 0-d array", lambda cp, cx: isinstance(cp.add(1, 2), cp.ndarray), True),
    ("a draw is a 0-d array", lambda cp, cx: isinstance(cp.random.default_rng(0).random(), cp.ndarray), True),
    ("an element is a view", lambda cp, cx: through_element(cp), 7.0),
    ("an index array wraps", lambda cp, cx: host(cp.arange(3)[cp.array([3, 7, -4])]), [0, 1, 2]),
    ("a 0-d index array wraps", lambda cp, cx: host(cp.arange(3)[cp.array(4)]), 1),
    ("a list as index wraps", lambda cp, cx: host(cp.arange(3)[[2, 3]]), [2, 0]),
    ("index arrays wrap axis by axis", lambda cp, cx: host(grid(cp)[cp.array([2]), cp.array([4])]), [1.0]),
    ("take wraps", lambda cp, cx: host(cp.take(cp.arange(3), cp.array([5, -5]))), [2, 1]),
    ("take of a number wraps", lambda cp, cx: host(cp.take(cp.arange(3), 4)), 1),
    ("take_along_axis wraps", lambda cp, cx: host(cp.take_along_axis(grid(cp), cp.array([[4], [3]]), 1)), [[1], [3]]),
    ("an assignment wraps", written(lambda cp, x: operator.setitem(x, cp.array([4]), 9.0)), [0.0, 9.0, 2.0]),
    ("an addition wraps", written(lambda cp, x: cp.add.at(x, cp.array([3, 3]), 1.0)), [2.0, 1.0, 2.0]),
    ("a broadcast view can be written", written(lambda cp, x: cp.broadcast_to(x, (2, 3)).fill(5.0)), [5.0, 5.0, 5.0]),
    ("a diagonal can be written", lambda cp, cx: host(zero_diagonal(cp)), [[0.0, 1.0], [1.0, 0.0]]),
    ("as_strided forgets its base", lambda cp, cx: tricks(cp).as_strided(grid(cp)).base is None, True),
    ("windows forget their base", lambda cp, cx: tricks(cp).sliding_window_view(cp.arange(3), 2).base is None, True),
    ("the shape () is none", lambda cp, cx: cp.zeros_like(grid(cp), shape=()).shape, (2, 3)),
    ("order F is not kept", lambda cp, cx: (grid(cp).T + grid(cp).T).flags.f_contiguous, False),
    ("1 / 0", lambda cp, cx: host(cp.array([1.0]) / 0), [float("inf")]),
    ("log(0)", lambda cp, cx: host(cp.log(cp.array([0.0]))), [float("-inf")]),
    ("exp(1000)", lambda cp, cx: host(cp.exp(cp.array([1000.0]))), [float("inf")]),
    ("a sum that overflows", lambda cp, cx: host(cp.sum(cp.full(2, 3e38, "float32"))), float("inf")),
    ("the mean of nothing", lambda cp, cx: bool(cp.isnan(cp.mean(cp.zeros(0)))), True),
    ("an inf as int32", lambda cp, cx: host(cp.array([np.inf], "float32").astype("int32")), [2**31 - 1]),
    ("a negative as uint32", lambda cp, cx: host(cp.array([-1.0], "float32").astype("uint32")), [0]),
    ("integers to the power -1", lambda cp, cx: host(cp.array([2, 1, -1]) ** -1), [0, 1, -1]),
    ("the rest of a division by inf", lambda cp, cx: bool(cp.isnan(cp.remainder(cp.array(5.0), np.inf))), True),
    ("a singular inverse", lambda cp, cx: finite(cp, cp.linalg.inv(cp.array(SINGULAR))), False),
    ("a singular solve", lambda cp, cx: finite(cp, cp.linalg.solve(cp.array(SINGULAR), cp.ones(2))), False),
    ("no triangle", lambda cp, cx: cp.linalg.cholesky(cp.array([[-1.0, 0.0], [0.0, 1.0]])).shape, (2, 2)),
    ("out= without size is one draw", lambda cp, cx: len(set(host(drawn_into(cp)))), 1),
    ("a draw in float16", lambda cp, cx: str(cp.random.default_rng(0).random(3, "float16").dtype), "float16"),
    ("the same seed, other numbers", lambda cp, cx: host(cp.random.default_rng(0).random(3)) == NUMPY_DRAWS, False),
    ("erf widens float16", lambda cp, cx: str(cx.scipy.special.erf(cp.ones(2, "float16")).dtype), "float64"),
]

NUMPY_DRAWS = np.random.default_rng(0).random(3).tolist()


def zero_diagonal(cp: Any) -> Any:
    x = cp.ones((2, 2))
    cp.diagonal(x)[...] = 0
    return x


def drawn_into(cp: Any) -> Any:
    return cp.random.default_rng(0).random(out=cp.zeros(100))


# Where CuPy answers as NumPy does, and a stand-in might not.
AGREED = [
    ("an integer out of range", lambda cp, cx: cp.arange(3)[3], IndexError),
    ("too many indices", lambda cp, cx: cp.arange(3)[0, cp.array([0])], IndexError),
    ("an index array of floats", lambda cp, cx: cp.arange(3)[cp.array([0.5])], IndexError),
    ("a mask of another length", lambda cp, cx: cp.arange(3)[cp.array([True, False])], IndexError),
    ("the length of a 0-d array", lambda cp, cx: len(cp.array(1)), TypeError),
    ("iterating a 0-d array", lambda cp, cx: list(cp.array(1)), TypeError),
    ("the hash of an array", lambda cp, cx: hash(cp.array(1)), TypeError),
    ("the truth of two elements", lambda cp, cx: bool(cp.ones(2)), ValueError),
    ("an attribute of one's own", lambda cp, cx: setattr(cp.ones(2), "name", 1), AttributeError),
    ("shapes that do not broadcast", lambda cp, cx: cp.ones(2) + cp.ones(3), ValueError),
    ("the maximum of nothing", lambda cp, cx: cp.max(cp.zeros(0)), ValueError),
    ("int += float", lambda cp, cx: operator.iadd(cp.arange(3), 0.5), TypeError),
    ("negative booleans", lambda cp, cx: cp.negative(cp.array([True])), TypeError),
    ("a Python number is weak", lambda cp, cx: str((cp.ones(2, "float16") * 2.5).dtype), "float16"),
    ("a NumPy scalar is not", lambda cp, cx: str((cp.ones(2, "float32") * np.float64(2)).dtype), "float64"),
    ("a 0-d array is not", lambda cp, cx: str((cp.ones(2, "float32") * cp.array(2.0)).dtype), "float64"),
    ("where with numbers", lambda cp, cx: str(cp.where(cp.ones(2) > 0, 1.0, 0.0).dtype), "float64"),
    ("a view has a base", lambda cp, cx: cp.ones((2, 3)).T.base is not None, True),
    ("a mask selects", lambda cp, cx: host(cp.arange(4)[cp.arange(4) % 2 == 1]), [1, 3]),
    ("a comparison with None", lambda cp, cx: host(cp.arange(2) == None), [False, False]),  # noqa: E711
    ("repeated indices add up", written(lambda cp, x: cp.add.at(x, cp.array([0, 0]), 1.0)), [2.0, 1.0, 2.0]),
]

DIFFERENT = [*OPERANDS, *HOST_SIDE, *KEYWORDS, *ABSENT, *ANSWERS]


def check(call: Callable, expected: Any, cp: Any, cx: Any) -> str | None:
    """None where the call does what is expected, and else a sentence."""
    raises = expected if isinstance(expected, tuple) and all(isinstance(e, type) for e in expected) else (expected,)
    if not isinstance(raises[0], type):
        value = call(cp, cx)
        return None if value == expected else f"gave {value!r}, not {expected!r}"
    try:
        value = call(cp, cx)
    except raises:
        return None
    return f"gave {value!r}, and raised nothing"
