"""einsum against NumPy's, on formulas by hand and drawn ones; what it refuses; and how little it does."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.ops import products

# formula and shapes: views, diagonals, axes of length 1 and 0, ellipses, several operands
FORMULAS = [
    ("i->i", (3,)),
    ("i->", (3,)),
    ("ij", (2, 3)),
    ("ba", (2, 3)),
    ("bA", (2, 3)),
    ("ij->ji", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iii->i", (2, 2, 2)),
    ("iij->ji", (2, 2, 3)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("ijij", (2, 3, 2, 3)),
    ("ii", (1, 1)),
    ("", ()),
    ("->", ()),
    ("...", (2, 3)),
    ("...->...", (2, 3)),
    ("i...->...", (2, 3, 2)),
    ("...i->i...", (2, 3, 2)),
    ("...ii->...i", (2, 3, 3)),
    ("i->...i", (3,)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ji,kj->ik", (3, 2), (4, 3)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ji->ij", (2, 3), (3, 2)),
    ("i,j", (2,), (3,)),
    ("i,j->ji", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("i,", (3,), ()),
    (",", (), ()),
    ("ij,k->j", (2, 3), (4,)),
    ("ii,i->i", (3, 3), (3,)),
    ("ii,i->i", (1, 1), (3,)),
    ("ii,jj->", (2, 2), (3, 3)),
    ("bij,bjk->bik", (4, 2, 3), (4, 3, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("bhqk,bhkd->bqhd", (2, 2, 3, 5), (2, 2, 5, 4)),
    ("bij,jk->bik", (4, 2, 3), (3, 2)),
    ("ij,bjk->bik", (2, 3), (4, 3, 2)),
    ("abcd,cdef->abef", (2, 3, 2, 2), (2, 2, 3, 2)),
    ("abcd,efcd->aebf", (2, 3, 2, 2), (2, 3, 2, 2)),
    ("nchwij,ocij->nohw", (2, 3, 2, 2, 3, 3), (4, 3, 3, 3)),
    ("ij,ij->ij", (1, 3), (2, 1)),
    ("ij,ij->j", (1, 3), (2, 1)),
    ("ij,jk->ik", (2, 1), (3, 2)),
    ("ij,jk->ik", (1, 1), (1, 1)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("ij,jk->ik", (0, 2), (2, 3)),
    ("ij,jk->", (2, 1), (0, 3)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
    ("...ij,jk->...ik", (5, 2, 3), (3, 2)),
    ("...i,...i->...", (2, 1, 3), (4, 3)),
    ("...i,i->...", (3,), (3,)),
    ("i...,i...->...", (3, 2), (3, 1)),
    ("i...,...->...i", (3, 2), (4, 2)),
    ("...,...", (2, 1), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("a,ab,b->", (2,), (2, 3), (3,)),
    ("ab,ab,ab->a", (2, 3), (2, 3), (2, 3)),
    ("i,j,k->kij", (2,), (3,), (2,)),
    ("ij,,jk->ik", (2, 3), (), (3, 2)),
    ("bi,ijk,bk->bj", (2, 3), (3, 2, 4), (2, 4)),
    ("ea,fb,abcd,gc,hd->efgh", (2, 2), (2, 2), (2, 2, 2, 2), (2, 2), (2, 2)),
    ("...i,...j,...k->...", (2, 3), (2,), (2, 1, 4)),
]


def compared(subscripts, arrays, device):
    xs = [mg.tensor(a, device=device, requires_grad=True) for a in arrays]
    y = mg.einsum(subscripts, *xs)
    expected = np.asarray(np.einsum(subscripts, *arrays))
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-13)
    return xs, y


@pytest.mark.parametrize(("subscripts", "shapes"), [(f, shapes) for f, *shapes in FORMULAS])
def test_values_are_numpys(subscripts, shapes, device):
    rng = np.random.default_rng(0)
    xs, y = compared(subscripts, [rng.normal(size=shape) for shape in shapes], device)
    # the product is linear in each operand: ⟨∂x, x⟩ = ⟨g, y⟩
    g = mg.tensor(rng.normal(size=y.shape), device=device)
    for x, gx in zip(xs, mg.grad(y, xs, g), strict=True):
        np.testing.assert_allclose((gx * x).sum().item(), (g * y).sum().item(), rtol=1e-10, atol=1e-12)


@st.composite
def formulas(draw):
    """A formula of up to four operands with up to three axes each, and shapes that fit it."""
    length = {letter: draw(st.integers(0, 3)) for letter in "abcD"}
    terms, shapes, dotted = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        letters = draw(st.lists(st.sampled_from("abcD"), max_size=3))
        dots = draw(st.integers(0, 2)) if draw(st.booleans()) else None
        dotted += [] if dots is None else [dots]
        place = draw(st.integers(0, len(letters)))
        narrow = {x for x in letters if draw(st.integers(0, 5)) == 0}  # … with 1 in place of its length
        sizes = [1 if x in narrow else length[x] for x in letters]
        under = [draw(st.sampled_from([1, n])) for n in (3, 2)[: dots or 0]][::-1]  # aligned at the right
        terms.append("".join(letters[:place]) + ("" if dots is None else "...") + "".join(letters[place:]))
        shapes.append((*sizes[:place], *under, *sizes[place:]))
    text = ",".join(terms)
    if draw(st.booleans()):
        seen = sorted({x for x in text if x.isalpha()})
        output = draw(st.permutations(seen))[: draw(st.integers(0, len(seen)))]
        place = draw(st.integers(0, len(output)))
        text += "->" + "".join(output[:place]) + ("..." if dotted else "") + "".join(output[place:])
    return text, shapes


@given(formulas(), st.integers(0, 1000))
def test_drawn_formulas_are_numpys(formula, seed):
    subscripts, shapes = formula
    rng = np.random.default_rng(seed)
    compared(subscripts, [rng.uniform(-2, 2, size=shape) for shape in shapes], "cpu")


REFUSED = [
    ("ij,jk", [(2, 3), (4, 5)], "'j' has the lengths 3 and 4"),
    ("ii", [(2, 3)], "'i' has the lengths 2 and 3"),
    ("ii", [(1, 3)], "'i' has the lengths 1 and 3"),
    ("...,...", [(2,), (3,)], "axis -1 of '...' has the lengths 2 and 3"),
    ("ij,jk", [(2, 3)], "separate 2 operands, but 1 came"),
    ("ij", [(2, 3), (3, 2)], "separate 1 operands, but 2 came"),
    ("ijk", [(2, 3)], "operand 0 of shape (2, 3) has 2 axes, but 'ijk' names 3"),
    ("i", [(2, 3)], "'...' would stand for the others"),
    ("ij...", [(2,)], "names 2"),
    ("ij->ii", [(2, 2)], "twice in the output"),
    ("ij->k", [(2, 2)], "'k' of the output is in no operand"),
    ("...i->i", [(2, 3)], "is not in the output"),
    ("i..", [(2,)], "'.' is neither a letter"),
    ("......", [(2,)], "'.' is neither a letter"),
    ("i1", [(2, 3)], "'1' is neither a letter"),
    ("i->j->i", [(2,)], "is neither a letter"),
]


@pytest.mark.parametrize(("subscripts", "shapes", "message"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_formula_that_does_not_fit_is_refused(subscripts, shapes, message):
    with pytest.raises(ValueError, match=re.escape(f"einsum: {subscripts!r}: ") + ".*" + re.escape(message)):
        mg.einsum(subscripts, *(mg.ones(s) for s in shapes))
    with pytest.raises(ValueError, match=r"."):  # NumPy refuses it too
        np.einsum(subscripts, *(np.ones(s) for s in shapes))


def test_the_formula_comes_first():
    with pytest.raises(TypeError, match="the subscripts come first"):
        mg.einsum(mg.ones(2), [0], mg.ones(2), [0])


def recorded(y):
    """The names of the operations that y came from, youngest first."""
    return [node.op.name for node in mg.backward.reachable({y.node: None}) if node.op is not None]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "operations"),
    [
        ("bij,bjk->bik", [(4, 2, 3), (4, 3, 2)], ["matmul"]),
        ("ij,jk->ik", [(2, 3), (3, 2)], ["matmul"]),
        ("ij,kj->ik", [(2, 3), (4, 3)], ["matmul", "transpose"]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)], ["matmul", "matmul"]),
        ("ij,ij->ij", [(2, 3), (2, 3)], ["reshape", "multiply", "reshape", "reshape"]),
        ("ij->ji", [(2, 3)], ["transpose"]),
        ("ij->", [(2, 3)], ["sum"]),
        ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)], ["matmul", "transpose"]),
    ],
)
def test_a_product_is_one_product_of_matrices(subscripts, shapes, operations):
    y = mg.einsum(subscripts, *(mg.ones(s, requires_grad=True) for s in shapes))
    assert recorded(y) == operations


@pytest.mark.parametrize(
    ("subscripts", "shapes", "first"),
    [
        ("ij,jk,kl->il", [(2, 50), (50, 3), (3, 50)], (0, 1)),
        ("ij,jk,kl->il", [(50, 3), (3, 50), (50, 2)], (1, 2)),
        ("i,j,ij->", [(9,), (9,), (9, 9)], (0, 2)),  # never the outer product of i and j
        ("ij,kl,jk->il", [(5, 5), (5, 5), (5, 5)], (0, 2)),
    ],
)
def test_the_cheapest_pair_is_multiplied_first(subscripts, shapes, first):
    steps = products.planned(subscripts, tuple(shapes))
    assert next(places for _, places, _ in steps if len(places) == 2) == first


def test_a_plan_is_made_once():
    products.planned.cache_clear()
    for _ in range(3):
        mg.einsum("ij,jk->ik", mg.ones(2, 3), mg.ones(3, 2))
    assert products.planned.cache_info().misses == 1


def test_dtypes_meet_as_in_a_product():
    half, single, double = (mg.ones(2, dtype=t) for t in ("float16", "float32", "float64"))
    assert mg.einsum("i,i", half, half).dtype == np.float16
    assert mg.einsum("i,i", single, double).dtype == np.float64
    assert mg.einsum("i,i", single, mg.arange(2)).dtype == np.float32
    assert mg.einsum("i,i", mg.arange(3), mg.arange(3)).item() == 5
    assert mg.einsum("i,i->i", single, np.array([1.0, 2.0])).dtype == np.float64


def test_one_operand_twice():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    mg.einsum("i,i->", x, x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4, 6])


# ---- the other products


@pytest.mark.parametrize(
    ("name", "shapes", "options", "message"),
    [
        ("dot", [(2, 3), (2, 3)], {}, "dot: a of shape (2, 3) and b of shape (2, 3) do not fit"),
        ("inner", [(2, 3), (3, 2)], {}, "inner: a of shape (2, 3) and b of shape (3, 2) do not fit"),
        ("vdot", [(2, 3), (5,)], {}, "have 6 and 5 elements"),
        ("tensordot", [(2, 3), (2, 3)], {}, None),
        ("tensordot", [(2, 3), (2, 3)], {"axes": 1}, "lengths [3] of a (2, 3) with [2] of b (2, 3)"),
        ("tensordot", [(2, 3), (2, 3)], {"axes": 3}, "tensordot"),
        ("tensordot", [(2, 2), (2, 2)], {"axes": ((0, 0), (0, 1))}, "named once"),
        ("tensordot", [(2, 2), (2, 2)], {"axes": ((0, 5), (0, 1))}, "lack axes"),
    ],
)
def test_products_that_do_not_fit_say_why(name, shapes, options, message):
    xs = [mg.ones(s) for s in shapes]
    if message is None:
        assert getattr(mg, name)(*xs, **options).item() == 6
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(mg, name)(*xs, **options)


def test_dot_is_numpys_beyond_two_axes():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 3)), rng.normal(size=(4, 3, 6))
    np.testing.assert_allclose(mg.dot(a, b).numpy(), np.dot(a, b), rtol=1e-12)
    assert mg.dot(a, b).shape == (2, 5, 4, 6)
