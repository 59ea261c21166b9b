"""Floor 2: products of vectors, matrices and more axes. One primitive, the product of matrices; the others arrange
axes around it, so that derivatives of every order follow, and the work is done by one matrix product each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..composition import composition
from ..creation import asarray
from ..errors import ShapeError
from ..operation import op
from ..tensor import Tensor
from .elementwise import multiply
from .index import getitem
from .rearrange import moveaxis
from .reduce import sum_
from .shape import expand_dims, reshape, reshape_, squeeze, stack, transpose, transpose_
from .transcendental import conj


@op(
    a=lambda xp, g, b: xp.matmul(g, xp.swapaxes(b, -1, -2)),
    b=lambda xp, g, a: xp.matmul(xp.swapaxes(a, -1, -2), g),
    domain={"shapes": "(...,n,k),(...,k,m)"},
)
def matmul_(xp: Any, a: Any, b: Any) -> Any:
    """y = a b        ∂a = g bᵀ,  ∂b = aᵀ g        (…, n, k) (…, k, m) → (…, n, m)"""
    return xp.matmul(a, b)


def matmul(a: Any, b: Any) -> Tensor:
    a, b = asarray(a), asarray(b)
    if a.ndim > 2 and b.ndim == 2 and a.shape[-1] == b.shape[0]:  # one large product instead of many small ones
        return reshape(matmul_(reshape(a, (prod(a.shape[:-1]), a.shape[-1])), b), (*a.shape[:-1], b.shape[-1]))
    if a.ndim > 1 and b.ndim > 1:
        return matmul_(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a 0-d tensor is no matrix; got shapes {a.shape} and {b.shape}; use a * b")
    k, l = a.shape[-1], b.shape[0 if b.ndim == 1 else -2]
    if k != l:
        raise ShapeError(
            f"matmul: a of shape {a.shape} and b of shape {b.shape} do not fit: the last axis of a ({k}) must equal "
            f"the {'only' if b.ndim == 1 else 'second last'} axis of b ({l})"
        )
    # a vector is a row on the left and a column on the right, and that axis goes again
    left, right = a.ndim == 1, b.ndim == 1
    y = matmul_(expand_dims(a, 0) if left else a, expand_dims(b, -1) if right else b)
    if left and right:
        return squeeze(y, (-2, -1))
    return squeeze(y, -2) if left else squeeze(y, -1) if right else y


# ---- products named by axes


@composition(
    domain={
        "cases": [
            {"a": (2, 3), "b": (3, 2), "axes": 1},
            {"a": (2, 3, 2), "b": (3, 2, 2), "axes": 2},
            {"a": (2, 3), "b": (2,), "axes": 0},
            {"a": (2, 3, 2), "b": (2, 2, 3), "axes": ((1, 0), (2, -2))},
            {"a": (2, 3), "b": (2, 4), "axes": (0, 0)},
            {"a": (), "b": (2,), "axes": 0},
            {"a": (2, 0), "b": (0, 3), "axes": 1},
        ]
    }
)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """y = Σ a b over pairs of axes: the last `axes` of a with the first of b, or those listed in a pair of tuples

    What is left of a comes first: with a (n, p, q), b (q, p, m), axes=((1, 2), (1, 0)): y (n, m).
    """
    a, b = asarray(a), asarray(b)
    if isinstance(axes, (int, np.integer)):
        pairs = [tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))]
    else:
        pairs = [tuple(p) if isinstance(p, (tuple, list)) else (p,) for p in axes]
    try:
        over_a, over_b = ([range(x.ndim)[i] for i in p] for x, p in zip((a, b), pairs, strict=True))
    except (IndexError, ValueError):
        raise ShapeError(f"tensordot: a of shape {a.shape} and b of shape {b.shape} lack axes {axes!r}") from None
    lengths = [a.shape[i] for i in over_a], [b.shape[i] for i in over_b]
    if lengths[0] != lengths[1] or len(set(over_a)) < len(over_a) or len(set(over_b)) < len(over_b):
        raise ShapeError(
            f"tensordot: axes={axes!r} pairs axes of lengths {lengths[0]} of a {a.shape} with {lengths[1]} of b "
            f"{b.shape}; each axis may be named once, and pairs must be equally long"
        )
    free_a = [i for i in range(a.ndim) if i not in over_a]
    free_b = [i for i in range(b.ndim) if i not in over_b]
    rows, columns = tuple(a.shape[i] for i in free_a), tuple(b.shape[i] for i in free_b)
    k = prod(lengths[0])
    left = reshaped(transposed(a, (*free_a, *over_a)), (prod(rows), k))
    right = reshaped(transposed(b, (*over_b, *free_b)), (k, prod(columns)))
    return reshaped(matmul_(left, right), rows + columns)


def transposed(x: Tensor, axes: tuple) -> Tensor:
    """transpose, where there is something to do"""
    return x if axes == tuple(range(x.ndim)) else transpose(x, axes)


def reshaped(x: Tensor, shape: tuple) -> Tensor:
    """reshape, where there is something to do"""
    return x if x.shape == shape else reshape(x, shape)


@composition(
    domain={
        "cases": [
            {"a": (3,), "b": (3,)},
            {"a": (2, 3), "b": (3, 2)},
            {"a": (2, 3), "b": (3,)},
            {"a": (2, 2, 3), "b": (2, 3, 2)},
            {"a": (3,), "b": (2, 3, 2)},
            {"a": (), "b": (2, 3)},
            {"a": (0,), "b": (0,)},
        ]
    }
)
def dot(a: Any, b: Any) -> Tensor:
    """y = Σₖ a[…, k] b[…, k, m]: the last axis of a with the second last of b (its only one if it is a vector)

    As NumPy's, which differs from matmul beyond two axes: (2, 5, 3) and (4, 3, 6) give (2, 5, 4, 6). A 0-d operand
    multiplies.
    """
    a, b = asarray(a), asarray(b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    return paired("dot", a, b, -1 if b.ndim == 1 else -2)


@composition(
    domain={
        "cases": [
            {"a": (3,), "b": (3,)},
            {"a": (2, 3), "b": (2, 3)},
            {"a": (2, 2, 3), "b": (3,)},
            {"a": (2,), "b": ()},
        ]
    }
)
def inner(a: Any, b: Any) -> Tensor:
    """y = Σₖ a[…, k] b[…, k]: the last axes of both        (2, 3) (4, 3) → (2, 4); a 0-d operand multiplies"""
    a, b = asarray(a), asarray(b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    return paired("inner", a, b, -1)


def paired(name: str, a: Tensor, b: Tensor, axis: int) -> Tensor:
    """The sum over the last axis of a and that axis of b."""
    if a.shape[-1] != b.shape[axis]:
        raise ShapeError(
            f"{name}: a of shape {a.shape} and b of shape {b.shape} do not fit: the last axis of a ({a.shape[-1]}) "
            f"must equal axis {axis} of b ({b.shape[axis]})"
        )
    return tensordot(a, b, (-1, axis))


@composition(domain={"cases": [{"a": (4,), "b": (4,)}, {"a": (2, 3), "b": (3, 2)}, {"a": (), "b": ()}]})
def vdot(a: Any, b: Any) -> Tensor:
    """y = Σ a b over all elements, row by row        two tensors of the same size → ()"""
    a, b = asarray(a), asarray(b)
    if a.size != b.size:
        raise ShapeError(f"vdot: a of shape {a.shape} and b of shape {b.shape} have {a.size} and {b.size} elements")
    return tensordot(reshape(a, (a.size,)), reshape(b, (b.size,)), 1)


@composition(
    domain={
        "cases": [
            {"a": (3,), "b": (3,)},
            {"a": (2, 3), "b": (3,)},
            {"a": (2, 1, 3), "b": (2, 3), "axis": -1},
            {"a": (3, 2), "b": (3, 1), "axis": -2},
            {"a": (2, 0), "b": (0,)},
        ]
    }
)
def vecdot(a: Any, b: Any, axis: int = -1) -> Tensor:
    """y = Σ a b along the axis of both, the others broadcast        (…, n) (…, n) → (…); a is conjugated if complex"""
    a, b = (moveaxis(asarray(x), axis, -1) for x in (a, b))
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"vecdot: axis {axis} has {a.shape[-1]} elements in a and {b.shape[-1]} in b")
    a = conj(a) if a.dtype.kind == "c" else a
    return squeeze(matmul_(expand_dims(a, -2), expand_dims(b, -1)), (-2, -1))


@composition(
    domain={
        "cases": [
            {"a": (3,), "b": (3,)},
            {"a": (2, 3), "b": (1, 3)},
            {"a": (3, 2), "b": (3, 2), "axis": 0},
        ]
    }
)
def cross(a: Any, b: Any, axis: int = -1) -> Tensor:
    """y = (a₁ b₂ − a₂ b₁, a₂ b₀ − a₀ b₂, a₀ b₁ − a₁ b₀), along an axis of length 3 of both"""
    a, b = (moveaxis(asarray(x), axis, -1) for x in (a, b))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(f"cross: axis {axis} must have 3 elements, not {a.shape[-1]} in a and {b.shape[-1]} in b")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    return stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=axis)


@composition(domain={"cases": [{"a": (3,), "b": (4,)}, {"a": (2, 2), "b": (3,)}, {"a": (), "b": (2,)}]})
def outer(a: Any, b: Any) -> Tensor:
    """y[i, j] = a[i] b[j], of the elements row by row        sizes n and m → (n, m)"""
    a, b = asarray(a), asarray(b)
    return multiply(reshape(a, (a.size, 1)), reshape(b, (1, b.size)))


@composition(
    domain={
        "cases": [
            {"a": (2, 3), "b": (3, 1)},
            {"a": (3,), "b": (2,)},
            {"a": (2,), "b": (2, 1, 2)},
            {"a": (), "b": (2, 2)},
            {"a": (2, 0), "b": (2, 2)},
        ]
    }
)
def kron(a: Any, b: Any) -> Tensor:
    """y = [a₀₀ b, a₀₁ b, …; a₁₀ b, …]: a copy of b in place of each element of a        (n, m) (p, q) → (n p, m q)"""
    a, b = asarray(a), asarray(b)
    ndim = max(a.ndim, b.ndim)
    n, m = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    apart = multiply(
        reshape(a, tuple(length for i in n for length in (i, 1))),  # (n₀, 1, n₁, 1, …)
        reshape(b, tuple(length for j in m for length in (1, j))),  # (1, m₀, 1, m₁, …)
    )
    return reshape(apart, tuple(i * j for i, j in zip(n, m, strict=True)))


# ---- products named by letters

# An axis is named by its letter, or by its place under an ellipsis, counted from the right: 1, 2, … .
Label = str | int
Labels = tuple[Label, ...]


@composition(
    domain={
        "cases": [
            {"operands": ((2, 3), (3, 2)), "subscripts": "ij,jk->ik"},
            {"operands": ((2, 3), (3, 2)), "subscripts": "ij,jk"},
            {"operands": ((2, 2, 3), (2, 3, 2)), "subscripts": "bij,bjk->bik"},
            {"operands": ((2, 3), (3, 2), (2, 2)), "subscripts": "ij,jk,kl->il"},
            {"operands": ((2, 2), (2,), (2, 3), (3,)), "subscripts": "ij,j,ik,k->i"},
            {"operands": ((3, 3),), "subscripts": "ii"},
            {"operands": ((3, 3),), "subscripts": "ii->i"},
            {"operands": ((2, 3, 2),), "subscripts": "iji->ji"},
            {"operands": ((2, 3),), "subscripts": "ij->ji"},
            {"operands": ((2, 3, 2),), "subscripts": "kij->i"},
            {"operands": ((2, 2), (2, 2)), "subscripts": "ii,jj->ij"},
            {"operands": ((1, 3), (2, 1)), "subscripts": "ij,ij->j"},
            {"operands": ((1, 3), (2, 1)), "subscripts": "ij,ij->"},
            {"operands": ((2, 1, 2), (3, 2)), "subscripts": "...i,...i->..."},
            {"operands": ((2, 2, 3), (3, 2)), "subscripts": "...ij,jk->...ik"},
            {"operands": ((2,), (3,), (2,)), "subscripts": "i,j,i->ij"},
            {"operands": ((2, 3), ()), "subscripts": "ij,->j"},
            {"operands": ((2, 0), (0, 3)), "subscripts": "ij,jk->ik"},
        ]
    }
)
def einsum(subscripts: str, *operands: Any) -> Tensor:
    """y[output letters] = Σ over the other letters of the product of the operands        "ij,jk->ik" is a b

    Letters name axes. A letter that occurs twice in one operand takes its diagonal; "..." stands for axes that
    broadcast; an axis of length 1 broadcasts too. Without "->" the output has "..." and then, in alphabetical order,
    the letters that occur once. Several operands are multiplied pair by pair, always the pair that lets the elements
    held shrink the most; each pair with a common sum is one (batched) matrix product.
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: the subscripts come first, a string such as 'ij,jk->ik', not {subscripts!r}")
    terms: list[Any] = [asarray(x) for x in operands]
    for step, (i, *others), options in planned(subscripts, tuple(x.shape for x in terms)):
        terms[i] = step(terms[i], *(terms[j] for j in others), **options)
        for j in others:
            terms[j] = None
    return next(x for x in terms if x is not None)


@lru_cache(maxsize=1000)
def planned(subscripts: str, shapes: tuple) -> tuple[tuple[Callable, tuple[int, ...], dict], ...]:
    """What einsum does, step by step: (operation, places of its operands, options). The result takes the first place.

    "ij,kj->ik" becomes transpose of the operand at 1, matmul of those at 0 and 1.
    """
    inputs, output = parsed(subscripts, shapes)
    length = measured(subscripts, inputs, shapes)
    steps: list[tuple[Callable, tuple[int, ...], dict]] = []
    terms: dict[int, Labels] = {}  # the operands and products at hand, with each label once

    def permute(i: int, labels: Labels) -> None:
        if labels != terms[i]:
            steps.append((transpose_, (i,), {"axes": tuple(terms[i].index(label) for label in labels)}))
            terms[i] = labels

    def regroup(i: int, before: tuple, after: tuple) -> None:
        if before != after:
            steps.append((reshape_, (i,), {"shape": after}))

    def size(labels: Iterable[Label]) -> int:
        return prod(length[label] for label in labels)

    def add_up(i: int, kept: set[Label]) -> None:
        """Without the labels that nobody needs any more."""
        over = tuple(k for k, label in enumerate(terms[i]) if label not in kept)
        if over:
            steps.append((sum_, (i,), {"axis": over}))
            terms[i] = tuple(label for label in terms[i] if label in kept)

    def multiply_out(i: int, j: int, kept: set[Label]) -> None:
        """The product of two terms, summed over what both have and nobody else needs: one matrix product."""
        a, b = terms[i], terms[j]
        batch = tuple(label for label in a if label in b and label in kept)
        common = tuple(label for label in a if label in b and label not in kept)
        rows = tuple(label for label in a if label not in b)
        columns = tuple(label for label in b if label not in a)
        for place, left, right in ((i, rows, common), (j, common, columns)):
            permute(place, (*batch, *left, *right))
            stack = tuple(length[label] for label in batch)
            regroup(place, tuple(length[label] for label in terms[place]), (*stack, size(left), size(right)))
        # with nothing to sum, (…, n, 1) and (…, 1, m) stretch along each other
        steps.append((matmul_ if common else multiply, (i, j), {}))
        terms[i] = (*batch, *rows, *columns)
        del terms[j]
        regroup(i, (*stack, size(rows), size(columns)), tuple(length[label] for label in terms[i]))

    for i, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        terms[i], at = labels, dict(zip(labels, shape, strict=True))
        for label in at:
            if (count := labels.count(label)) > 1:  # the axes of a diagonal come first, and become one
                rest = [k for k, other in enumerate(labels) if other != label]
                axes = (*(k for k, other in enumerate(labels) if other == label), *rest)
                steps.append((transpose_, (i,), {"axes": axes}))
                steps.append((getitem, (i,), {"index": (np.arange(at[label]),) * count}))
                labels = (label, *(labels[k] for k in rest))
        # axes of length 1 that others stretch are left out
        terms[i] = tuple(label for label in labels if at[label] == length[label])
        regroup(i, tuple(at[label] for label in labels), tuple(at[label] for label in terms[i]))

    while True:
        for i in terms:
            add_up(i, set(output).union(*(other for j, other in terms.items() if j != i)))
        if len(terms) == 1:
            break
        # Greedy: the pair whose product leaves the fewest elements more than there were, and of equals the one with the
        # fewest multiplications. (The best order of all takes exponential time to find.)
        best: Any = None
        for j, b in terms.items():
            for i, a in terms.items():
                if i < j:
                    kept = set(output).union(*(other for k, other in terms.items() if k not in (i, j)))
                    both = set(a) | set(b)
                    cost = size(both & kept) - size(a) - size(b), size(both)
                    if best is None or cost < best[0]:
                        best = cost, i, j, kept
        multiply_out(*best[1:])
    (last,) = terms
    permute(last, output)
    return tuple(steps)


def parsed(subscripts: str, shapes: tuple) -> tuple[tuple[Labels, ...], Labels]:
    """The labels of the axes of each operand, and of the output."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    for term in (*terms, right):
        odd = set(term.replace("...", "", 1)) - set(LETTERS)
        if odd:
            raise ValueError(f"einsum: {subscripts!r}: {min(odd)!r} is neither a letter nor part of one '...'")
    if len(set(right)) < len(right.replace("...", ".")):
        raise ValueError(f"einsum: {subscripts!r}: a letter occurs twice in the output")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r}: the commas separate {len(terms)} operands, but {len(shapes)} came")
    inputs = tuple(spelled(subscripts, term, i, shape) for i, (term, shape) in enumerate(zip(terms, shapes)))
    every = [label for labels in inputs for label in labels]
    dots = tuple(sorted({label for label in every if isinstance(label, int)}, reverse=True))
    letters = [label for label in every if isinstance(label, str)]
    if not arrow:
        return inputs, (*dots, *sorted(label for label in set(letters) if letters.count(label) == 1))
    unknown = set(right) - set(letters) - {"."}
    if unknown:
        raise ValueError(f"einsum: {subscripts!r}: {min(unknown)!r} of the output is in no operand")
    if dots and "..." not in right:
        raise ValueError(f"einsum: {subscripts!r}: '...' stands for {len(dots)} axes here, and is not in the output")
    before, _, after = right.partition("...")
    return inputs, (*before, *dots, *after)


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def spelled(subscripts: str, term: str, i: int, shape: tuple) -> Labels:
    """One label for each axis of operand i: ("...ij", (5, 4, 2, 3)) → (2, 1, "i", "j")"""
    before, dots, after = term.partition("...")
    rest = len(shape) - len(before) - len(after)
    if rest < 0 or (rest and not dots):
        raise ShapeError(
            f"einsum: {subscripts!r}: operand {i} of shape {shape} has {len(shape)} axes, but {term!r} names "
            f"{len(before) + len(after)}" + ("" if rest < 0 else "; '...' would stand for the others")
        )
    return (*before, *range(rest, 0, -1), *after)


def measured(subscripts: str, inputs: tuple[Labels, ...], shapes: tuple) -> dict[Label, int]:
    """The length of each label: axes of length 1 broadcast to it."""
    length: dict[Label, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label in labels:
            twice = {m for other, m in zip(labels, shape, strict=True) if other == label}
            found = sorted(twice if len(twice) > 1 else {length.get(label, 1), *twice} - {1})
            if len(found) > 1:
                name = f"letter {label!r}" if isinstance(label, str) else f"axis -{label} of '...'"
                raise ShapeError(
                    f"einsum: {subscripts!r}: the {name} has the lengths {' and '.join(map(str, found))} in operands "
                    f"of shapes {', '.join(map(str, shapes))}"
                )
            length[label] = found[0] if found else 1
    return length
