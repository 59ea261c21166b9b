"""Singular points: 0, ±∞ and nan, where a derivative is infinite, or does not exist, or is easily lost."""

from __future__ import annotations

import numpy as np

from minigrad import functional, ops

from .case import Rules, Table, case, in_each, inf, nan, rule
from .running import like

pi = np.pi

POWERS_AT_0 = {  # p: d/dx, d²/dx² and d/dp of x**p at x = 0
    0: (0, 0, 0),
    0.5: (inf, -inf, 0),
    1: (1, 0, 0),
    1.5: (0, inf, 0),
    2: (0, 2, 0),
    3: (0, 0, 0),
    -1: (-inf, inf, -inf),
    -2: (-inf, inf, -inf),
    -0.5: (-inf, inf, -inf),
}


SINGULAR = [
    case("√ of −0.0", ops.sqrt, [-0.0], [-inf], value=0, note="1 / 2y with y = −0; PyTorch says the same"),
    case("√ of ∞", ops.sqrt, [inf], [0], value=inf, note="flat far out"),
    case("√ below 0", ops.sqrt, [-1.0], [nan], value=nan, loud=True, note="no real number, no slope"),
    *in_each(
        {"float64": (2.0**-1074,), "float32": (2.0**-148,)},
        lambda x: case(
            "√ of a subnormal number", ops.sqrt, [x], [0.5 * x**-0.5], value=x**0.5, note="finite: it is not 0"
        ),
    ),
    case("x² of ±∞", ops.square, [[inf, -inf]], [[inf, -inf]], value=inf, note="2x"),
    case("ln ∞", ops.log, [inf], [0], value=inf, note="flat far out"),
    case(
        "ln below 0",
        ops.log,
        [-1.0],
        [-1],
        value=nan,
        loud=True,
        note="the formula 1 / x is all that is left; so in PyTorch",
    ),
    case("ln −0.0", ops.log, [-0.0], [-inf], value=-inf, loud=True, note="1 / x with x = −0"),
    case("ln(1 + x) below −1", ops.log1p, [-2.0], [-1], value=nan, loud=True, note="as ln below 0"),
    case(
        "reciprocal of −0.0 and ±∞", ops.reciprocal, [[-0.0, inf, -inf]], [[-inf, 0, 0]], value=[-inf, 0, 0], loud=True
    ),
    case("eˣ far up", ops.exp, [[1000.0, inf]], [[inf, inf]], value=inf, loud=True, note="the slope is the value"),
    case(
        "∞ / ∞ and finite / ∞",
        ops.divide,
        [[inf, 1.0], [inf, inf]],
        [[0, 0], [nan, 0]],
        value=[nan, 0],
        loud=True,
        note="∂b = −y / b",
    ),
    case("0 · ∞", ops.multiply, [0.0, inf], [inf, 0], value=nan, loud=True, note="each factor gets the other"),
    case("sin ∞", lambda x: ops.sin(x) + ops.cos(x), [inf], [nan], value=nan, loud=True, note="no limit exists"),
    case(
        "x ** p at −0.0, p = −1, −0.5, 1.5, 2",
        lambda x: ops.power(x, like(x, [-1, -0.5, 1.5, 2])),
        [[-0.0] * 4],
        [[-inf, -inf, 0, 0]],
        value=[-inf, inf, 0, 0],
        loud=True,
        note="the sign of −0 shows in odd powers only; a constant exponent",
    ),
    case(
        "x ** p of ±∞",
        lambda x: ops.power(x, like(x, [2, 2, -1, 0.5])),
        [[inf, -inf, inf, inf]],
        [[inf, -inf, 0, 0]],
        value=[inf, inf, 0, inf],
        note="p xᵖ⁻¹",
    ),
    case("1ᵖ, p = ∞ and nan", lambda p: ops.power(1.0, p), [[inf, nan]], [[0, 0]], value=1, note="ln 1 = 0"),
    case(
        "negative base, broken exponent",
        lambda x: x**0.5 + x**1.5,
        [-2.0],
        [nan],
        value=nan,
        loud=True,
        note="no real number, no slope",
    ),
    case(
        "where, the condition on a nan",
        lambda x: ops.where(ops.isnan(x), 0, x),
        [[nan, 2.0]],
        [[0, 1]],
        value=[0, 2],
        note="what is chosen away is gone, value and gradient",
    ),
    case("where between numbers", lambda x: ops.where(x > 0, 1.0, 0.0) * x, [[2.0, -2.0]], [[1, 0]], value=[2, 0]),
    case(
        "std of three rows, one of them of equals",
        lambda x: ops.std(x, axis=0),
        [[[2.0, 1.0, 0.0], [2.0, 3.0, 0.0]]],
        [[[0, -0.5, 0], [0, 0.5, 0]]],
        value=[0, 1, 0],
        note="each lane by itself",
    ),
    case(
        "std of one, ddof=1",
        lambda x: ops.std(x, ddof=1),
        [[5.0]],
        [[nan]],
        value=nan,
        loud=True,
        note="0 / 0: as in NumPy",
    ),
    case(
        "var of one, ddof=1",
        lambda x: ops.var(x, ddof=1),
        [[5.0]],
        [[nan]],
        value=nan,
        loud=True,
        note="0 / 0: as in NumPy",
    ),
    case(
        "mean of ∞ and −∞",
        ops.mean,
        [[inf, -inf]],
        [[0.5, 0.5]],
        value=nan,
        loud=True,
        note="linear: its slope is known",
    ),
    case(
        "sigmoid, tanh, softplus of nan",
        lambda x: ops.sigmoid(x) + ops.tanh(x) + ops.softplus(x),
        [nan],
        [nan],
        value=nan,
    ),
    case("sqrt at 0", ops.sqrt, [0.0], [inf], value=0, note="the tangent is vertical"),
    case(
        "x √x at 0",
        lambda x: x * ops.sqrt(x),
        [0.0],
        [nan],
        value=0,
        note="√x has slope ∞ and is multiplied by 0; write x ** 1.5",
    ),
    case(
        "x^1.5 at 0, which is the same",
        lambda x: x**1.5,
        [0.0],
        [0],
        value=0,
        second=(inf,),
        note="one formula, without 0 · ∞",
    ),
    *(
        case(
            f"x ** {p} at 0",
            lambda x, p=p: x**p,
            [0.0],
            [first],
            value=0.0**p if p >= 0 else inf,
            second=(then,),
            loud=p < 0,
            note="1 for p = 1, 0 beyond, ∞ before; a constant exponent 0 has slope 0",
        )
        for p, (first, then, _) in POWERS_AT_0.items()
    ),
    *(
        case(
            f"x ** tensor({p}) at 0",
            ops.power,
            [0.0, p],
            [first, by_p],
            value=0.0**p if p >= 0 else inf,
            loud=p < 0,
            note="the derivative by the exponent is 0 where 0ᵖ is 0 or 1, and −∞ where it is infinite (JAX: nan)",
        )
        for p, (first, _, by_p) in POWERS_AT_0.items()
    ),
    *(
        case(
            f"x⁰, 0 {type(zero).__name__}",
            lambda x, zero=zero: x**zero,
            [[0.0, inf, -inf, nan, -2.0]],
            [[0] * 5],
            value=1,
            note="x⁰ is 1 for every x, nan too: its slope is 0, whatever the type of the exponent; JAX: nan for 0.0",
        )
        for zero in (0, 0.0, np.float64(0), np.int64(0), np.zeros(5, "int64"))
    ),
    case(
        "x⁰, 0 tensor",
        ops.power,
        [[0.0, inf, nan], np.zeros(3)],
        [[0, 0, 0], [0, inf, nan]],
        value=1,
        note="∂b = y ln a, but 0 at a = 0",
    ),
    case(
        "(−2)ᵖ",
        lambda x: ops.power(x, like(x, [2, 3, 4, -1])),
        [[-2.0] * 4],
        [[-4, 12, -32, -0.25]],
        second=([2, -12, 48, -0.25],),
        value=[4, -8, 16, -0.5],
        note="no logarithm of −2 is computed, and nothing warns",
    ),
    case(
        "(−2)ᵖ, p with gradient",
        ops.power,
        [[-2.0, -2.0], [2.0, 3.0]],
        [[-4, 12], [nan, nan]],
        value=[4, -8],
        note="negative numbers have real powers at integers only: no derivative by p; the one by x is right",
    ),
    case(
        "0ᵖ, p = 2, 0, −1",
        lambda p: ops.power(0.0, p),
        [[2.0, 0.0, -1.0]],
        [[0, 0, -inf]],
        value=[0, 1, inf],
        loud=True,
        note="JAX: nan for p < 0",
    ),
    case(
        "1 / 0",
        ops.divide,
        [[1.0, 0.0], [0.0, 0.0]],
        [[inf, inf], [-inf, nan]],
        value=[inf, nan],
        loud=True,
        note="the infinite value has an infinite slope, 0 / 0 has none",
    ),
    case("reciprocal at 0", ops.reciprocal, [0.0], [-inf], value=inf, loud=True, note="−1 / x²"),
    case("ln 0", ops.log, [0.0], [inf], value=-inf, second=(-inf,), loud=True, note="1 / x"),
    case("ln(1 − 1)", ops.log1p, [-1.0], [inf], value=-inf, loud=True, note="1 / (1 + x)"),
    case(
        "a trap: where(x > 0, ln x, 0) at 0",
        lambda x: ops.where(x > 0, ops.log(x), 0),
        [0.0],
        [nan],
        value=0,
        loud=True,
        note="the branch that is not taken gets 0, times the slope ∞ of ln: PyTorch and JAX say nan too",
    ),
    case(
        "the way out: ln where(x > 0, x, 1)",
        lambda x: ops.log(ops.where(x > 0, x, 1)),
        [0.0],
        [0],
        value=0,
        second=(0,),
        note="choose before the function, not behind it",
    ),
    case(
        "a trap: where(x > 0, √x, 0) at 0",
        lambda x: ops.where(x > 0, ops.sqrt(x), 0),
        [0.0],
        [nan],
        value=0,
        note="the same trap: the slope of √ is ∞ at 0",
    ),
    case(
        "the way out: √ where(x > 0, x, 1)",
        lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1)), 0),
        [0.0],
        [0],
        value=0,
        note="choose before the function",
    ),
    *(
        case(
            f"where hands nothing to the branch that is not taken, {name}",
            lambda a, b: ops.where(like(a, [[True], [False]], bool), a, b),
            [[[1.0, 2.0, 3.0]] * 2, 4.0],
            [[g[0], [0, 0, 0]], sum(g[1])],
            g=g,
            second=(np.zeros((2, 3)), 0),
            value=[[1, 2, 3], [4, 4, 4]],
            note="chosen, not multiplied by 0, in the shapes of the branches",
        )
        for name, g in {
            "the second": [[inf, 1, nan], [4, 2, 3]],
            "the first": [[4, 2, 3], [inf, 1, nan]],
        }.items()
    ),
    case(
        "where(c, x, x)",
        lambda x: ops.where(x > 0, x, x),
        [[-1.0, 1.0]],
        [[1, 1]],
        value=[-1, 1],
        note="the two branches add up",
    ),
    case(
        "std of equals",
        ops.std,
        [[2.0, 2.0, 2.0]],
        [[0, 0, 0]],
        value=0,
        second=([0, 0, 0],),
        note="where all deviations are exactly 0 it is a norm of zeros; JAX: nan",
    ),
    case(
        "std of equals, ddof=1",
        lambda x: ops.std(x, ddof=1),
        [[2.0, 2.0, 2.0]],
        [[0, 0, 0]],
        value=0,
        second=([0] * 3,),
        note="the same",
    ),
    case("std of one", ops.std, [[5.0]], [[0]], value=0, second=([0],), note="the same"),
    case(
        "std of zeros, then squared",
        lambda x: ops.std(x) ** 2,
        [[0.0, 0.0]],
        [[0, 0]],
        value=0,
        note="and so what is built on it",
    ),
    case(
        "std, one row of equals",
        lambda x: ops.std(x, axis=1),
        [[[2.0, 2.0], [1.0, 3.0]]],
        [[[0, 0], [-0.5, 0.5]]],
        value=[0, 1],
        note="each lane by itself",
    ),
    case("std of [1, 3]", ops.std, [[1.0, 3.0]], [[-0.5, 0.5]], value=1, note="(x − x̄) / (n σ)"),
    case(
        "std of [1, 3], ddof=1",
        lambda x: ops.std(x, ddof=1),
        [[1.0, 3.0]],
        [[-(0.5**0.5), 0.5**0.5]],
        value=2**0.5,
        note="(x − x̄) / ((n − 1) σ)",
    ),
    case(
        "var of equals",
        ops.var,
        [[2.0, 2.0, 2.0]],
        [[0, 0, 0]],
        value=0,
        second=([0, 0, 0],),
        note="a parabola: no kink",
    ),
    case(
        "tanh far out",
        ops.tanh,
        [[1000.0, -1000.0, inf, -inf]],
        [[0] * 4],
        value=[1, -1, 1, -1],
        second=([0] * 4,),
        note="flat, without a warning: g (1 − y²) overflows nowhere",
    ),
    case(
        "sigmoid far out",
        ops.sigmoid,
        [[1000.0, -1000.0, inf, -inf]],
        [[0] * 4],
        value=[1, 0, 1, 0],
        second=([0] * 4,),
        note="flat, without a warning",
    ),
    case(
        "softplus far out",
        ops.softplus,
        [[1000.0, -1000.0, inf, -inf]],
        [[1, 0, 1, 0]],
        value=[1000, 0, inf, 0],
        second=([0] * 4,),
        note="0 or x",
    ),
    case("erf far out", ops.erf, [[100.0, -100.0, inf, -inf]], [[0] * 4], value=[1, -1, 1, -1], note="flat"),
    case("eˣ far down", ops.exp, [[-1000.0, -inf]], [[0, 0]], value=0, second=([0, 0],), note="underflow is silent"),
    case(
        "eˣ − 1 far down",
        ops.expm1,
        [[-1000.0, -inf]],
        [[0, 0]],
        value=-1,
        second=([0, 0],),
        note="underflow is silent",
    ),
]

ENDS = [
    case(
        "arcsin at ±1",
        ops.arcsin,
        [[1.0, -1.0]],
        [[inf, inf]],
        value=[pi / 2, -pi / 2],
        second=([inf, -inf],),
        note="vertical at both ends",
    ),
    case(
        "arccos at ±1",
        ops.arccos,
        [[1.0, -1.0]],
        [[-inf, -inf]],
        value=[0, pi],
        second=([-inf, inf],),
        note="vertical at both ends",
    ),
    case(
        "arctanh at ±1",
        ops.arctanh,
        [[1.0, -1.0]],
        [[inf, inf]],
        value=[inf, -inf],
        second=([inf, -inf],),
        loud=True,
        note="the pole and its slope",
    ),
    case("arccosh at 1", ops.arccosh, [1.0], [inf], value=0, second=(-inf,), note="vertical at its end"),
    case(
        "arcsin and arccos outside",
        lambda x: ops.arcsin(x) - ops.arccos(x),
        [[1.5, -1.5]],
        [[nan, nan]],
        loud=True,
        value=nan,
        note="no real number, no slope",
    ),
    case(
        "arccosh below 1",
        ops.arccosh,
        [[0.5, -2.0]],
        [[nan, nan]],
        value=nan,
        loud=True,
        note="no real number, no slope",
    ),
    case("log₂ at 0", ops.log2, [0.0], [inf], value=-inf, second=(-inf,), loud=True, note="as ln"),
    case("log₁₀ at 0", ops.log10, [0.0], [inf], value=-inf, second=(-inf,), loud=True, note="as ln"),
    case("log₂ 8", ops.log2, [8.0], [1 / (8 * np.log(2))], value=3, note="exact at powers of two"),
    case("log₁₀ 1000", ops.log10, [1000.0], [1 / (1000 * np.log(10))], value=3, note="exact at powers of ten"),
    case(
        "2³, and far down",
        ops.exp2,
        [[3.0, -2000.0, -inf]],
        [[8 * np.log(2), 0, 0]],
        value=[8, 0, 0],
        note="underflow is silent",
    ),
    case("∛ at ±0", ops.cbrt, [[0.0, -0.0]], [[inf, inf]], value=0, note="vertical, from both sides upwards"),
    case(
        "∛ of negative numbers",
        ops.cbrt,
        [[-8.0, 8.0]],
        [[1 / 12, 1 / 12]],
        value=[-2, 2],
        second=([1 / 144, -1 / 144],),
        note="real, where a power 1/3 would be nan",
    ),
    case("arctan far out", ops.arctan, [[inf, -inf]], [[0, 0]], value=[pi / 2, -pi / 2], note="flat"),
    case("arcsinh far out", ops.arcsinh, [[inf, -inf]], [[0, 0]], value=[inf, -inf], note="1 / √(1 + x²)"),
    case("arccosh far out", ops.arccosh, [inf], [0], value=inf, note="flat"),
    case("sinh and cosh at 0", lambda x: ops.sinh(x) + ops.cosh(x), [0.0], [1], value=1, second=(1,)),
    case(
        "sinh overflows",
        ops.sinh,
        [[1000.0, -1000.0]],
        [[inf, inf]],
        value=[inf, -inf],
        loud=True,
        note="so does its slope",
    ),
    case(
        "cosh overflows", ops.cosh, [[1000.0, -1000.0]], [[inf, -inf]], value=inf, loud=True, note="so does its slope"
    ),
    case("tan at ±0", ops.tan, [[0.0, -0.0]], [[1, 1]], value=0, second=([0, 0],), note="smooth"),
]

ORIGIN = [
    # JAX's gradient is nan
    *(
        case(
            f"arctan2({a}, {b})",
            ops.arctan2,
            [a, b],
            [0, 0],
            value=np.arctan2(a, b),
            second=(0, 0),
            g=5.0,
            note="no direction exists at the origin: 0, as in PyTorch; JAX: nan",
        )
        for a in (0.0, -0.0)
        for b in (0.0, -0.0)
    ),
    case(
        "arctan2 on the axes",
        ops.arctan2,
        [[0.0, 2.0, 0.0, -2.0], [2.0, 0.0, -2.0, 0.0]],
        [[0.5, 0, -0.5, 0], [0, -0.5, 0, 0.5]],
        value=[0, pi / 2, pi, -pi / 2],
        note="the angle turns by a / r² and −b / r²",
    ),
    case(
        "arctan2(x, x)",
        lambda x: ops.arctan2(x, x),
        [[3.0, 0.0]],
        [[0, 0]],
        value=[pi / 4, 0],
        note="the angle of the diagonal does not change",
    ),
    # PyTorch's gradient is nan, JAX's ½
    case(
        "hypot(0, 0)",
        ops.hypot,
        [[0.0, -0.0], [0.0, 0.0]],
        [[0, 0], [0, 0]],
        value=0,
        second=([0, 0], [0, 0]),
        note="it is a norm: 0; PyTorch: nan, JAX: ½",
    ),
    case(
        "hypot stops no more than it must",
        ops.hypot,
        [[0.0, 3.0], [0.0, 4.0]],
        [[0, 0.6], [0, 0.8]],
        value=[0, 5],
        note="each point by itself",
    ),
    case(
        "hypot(x, 0) is |x|",
        lambda x: ops.hypot(x, 0),
        [[-3.0, 0.0, 3.0]],
        [[-1, 0, 1]],
        value=[3, 0, 3],
        note="with the slope of abs at 0",
    ),
    case("hypot(x, x)", lambda x: ops.hypot(x, x), [[0.0]], [[0]], value=0, note="√2 |x|, with the slope of abs at 0"),
    case(
        "sinc at 0",
        ops.sinc,
        [[0.0, -0.0]],
        [[0, 0]],
        value=1,
        second=([-(pi**2) / 3] * 2,),
        note="even, so flat; its curvature is −π²/3, where PyTorch has nan",
    ),
    case(
        "sinc next to 0",
        ops.sinc,
        [[1e-8, -1e-8]],
        [[-(pi**2) / 3e8, pi**2 / 3e8]],
        second=([-(pi**2) / 3] * 2,),
        value=1,
        note="from the series, for the formula loses its digits there",
    ),
    case("sinc of 0-d", ops.sinc, [0.0], [0], value=1, second=(-(pi**2) / 3,), note="the same without axes"),
]

SUMS = [
    # PyTorch's gradient is nan
    case(
        "logaddexp(−∞, −∞)",
        ops.logaddexp,
        [-inf, -inf],
        [0, 0],
        value=-inf,
        second=(0, 0),
        note="nothing can move it: 0; the one place where the parts do not add up to g; PyTorch and JAX: nan",
    ),
    case(
        "logaddexp(−∞, −∞), x twice",
        lambda x: ops.logaddexp(x, x),
        [[-inf]],
        [[0]],
        value=-inf,
        second=([0],),
        note="the same",
    ),
    case(
        "logaddexp with one infinite",
        ops.logaddexp,
        [[-inf, 1.0, inf, 1.0], [1.0, -inf, 1.0, inf]],
        [[0, 1, 1, 0], [1, 0, 0, 1]],
        value=[1, 1, inf, inf],
        second=([0] * 4, [0] * 4),
        note="the larger takes all",
    ),
    case(
        "logaddexp of equals, however large",
        ops.logaddexp,
        [[0.0, 1e4, -1e4], [0.0, 1e4, -1e4]],
        [[0.5] * 3, [0.5] * 3],
        value=np.log(2) + np.array([0, 1e4, -1e4]),
        note="shared, at every level",
    ),
    case(
        "logaddexp far apart",
        ops.logaddexp,
        [[1e4, -1e4], [-1e4, 1e4]],
        [[1, 0], [0, 1]],
        value=1e4,
        second=([0, 0], [0, 0]),
        note="the larger takes all",
    ),
    case(
        "logaddexp(∞, ∞)",
        ops.logaddexp,
        [inf, inf],
        [nan, nan],
        value=inf,
        note="∞ − ∞: no share is right; PyTorch: nan too",
    ),  # as PyTorch
    case(
        "logaddexp with −∞ a number",
        lambda x: ops.logaddexp(x, -inf),
        [[2.0, -inf]],
        [[1, 0]],
        value=[2, -inf],
        note="e^−∞ is nothing",
    ),
]

HALF = 0.5**0.5
LARGE = {"float64": (1e200,), "float32": (1e30,)}  # the square overflows, that of 1 / LARGE vanishes

EXTREMES = [
    *in_each(
        LARGE,
        lambda big: case(
            "hypot, large",
            ops.hypot,
            [big, big],
            [HALF, HALF],
            value=big * 2**0.5,
            note="no square is formed; JAX: 1.06",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "hypot, small",
            ops.hypot,
            [1 / big] * 2,
            [HALF, HALF],
            value=2**0.5 / big,
            note="no square is formed; JAX: −∞",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "arctan2, large",
            ops.arctan2,
            [big, big],
            [0.5 / big, -0.5 / big],
            value=pi / 4,
            note="b / r / r, not b / r²",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "arctan2, small", ops.arctan2, [1 / big] * 2, [big / 2, -big / 2], value=pi / 4, note="b / r / r"
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "arcsinh, large and small",
            ops.arcsinh,
            [[big, -big, 1 / big]],
            [[1 / big, 1 / big, 1]],
            value=[np.arcsinh(big), -np.arcsinh(big), 1 / big],
            note="1 / hypot(1, x)",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "arccosh, large", ops.arccosh, [big], [1 / big], value=np.arccosh(big), note="two roots, no square"
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case("arctan, large", ops.arctan, [[big, -big]], [[0, 0]], value=[pi / 2, -pi / 2], note="flat"),
    ),
    *in_each(
        LARGE,
        lambda big: case("erf, large", ops.erf, [[big, -big]], [[0, 0]], value=[1, -1], note="flat, without a warning"),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "gelu, silu, mish, large",
            lambda x: functional.gelu(x) + functional.silu(x) + functional.mish(x),
            [[big, -big]],
            [[3, 0]],
            value=[3 * big, 0],
            note="straight or flat, without a warning",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "softmax with a mask of the lowest number",
            functional.softmax,
            [[0.0, -big, 0.0]],
            [[-0.75, 0, 0.75]],
            value=[0.5, 0, 0.5],
            g=[1, 5, 4],
            note="a large negative number masks as −∞ does",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "std, large",
            ops.std,
            [[big, -big]],
            [[0, 0]],
            value=inf,
            loud=True,
            note="the squares overflow, as in NumPy and PyTorch: scale first",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "std, small", ops.std, [[1 / big, -1 / big]], [[0, 0]], value=0, note="the squares vanish: a std of 0"
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "logaddexp, logsumexp, large",
            lambda a, b: ops.logaddexp(a, b) + ops.logsumexp(ops.stack([a, b])),
            [big, -big],
            [2, 0],
            value=2 * big,
            note="the larger takes all",
        ),
    ),
    *in_each(
        LARGE,
        lambda big: case(
            "tanh, sigmoid, softplus, large",
            lambda x: ops.tanh(x) + ops.sigmoid(x) + ops.softplus(x),
            [[big, -big]],
            [[1, 0]],
            value=[big, -1],
            note="flat or straight, without a warning",
        ),
    ),
]

TITLE = "Singular points"
TEXT = """A point is **singular** where the derivative is infinite (√x at 0), where no limit exists (the angle of the
origin), or where the formula divides 0 by 0 although the function is finite (a norm of zeros). An infinite slope is
told as ∞ and not hidden; where a finite one is defensible, it is finite; and nan stays where there is no answer."""
TABLES = [
    Table("Roots, powers, logarithms, choices, deviations", "test_edge_cases.py::test_singular_points", SINGULAR),
    Table("The ends of domains", "test_edge_transcendental.py::test_elementary_functions", ENDS),
    Table("The origin", "test_edge_transcendental.py::test_elementary_functions", ORIGIN),
    Table("Sums of exponentials", "test_edge_transcendental.py::test_elementary_functions", SUMS),
    Table(
        "Squares that overflow or vanish", "test_edge_transcendental.py::test_squares_that_overflow_or_vanish", EXTREMES
    ),
    Rules(
        "More",
        [
            rule(
                "(−2)ᵖ, p a constant",
                "No logarithm of a negative base is ever computed, whatever the type of the exponent.",
                "test_edge_cases.py::test_no_logarithm_of_a_negative_base",
            ),
            rule(
                "std of [0.1, 0.1, 0.1]",
                "In float64 their mean is not 0.1 after rounding, and the gradient is that of the deviations: finite, "
                "at most 1 in size, but not 0.",
                "test_edge_cases.py::test_std_of_equals_whose_mean_rounds",
            ),
            rule(
                "nan_to_num",
                "∞ becomes the largest number of the dtype; integers pass as they are.",
                "test_edge_transcendental.py::test_infinities_become_the_largest_numbers",
            ),
            rule(
                "norm of the huge and the tiny",
                "What is homogeneous has the same gradient at every size: no power overflows.",
                "test_edge_order.py::test_norms_of_the_huge_and_the_tiny",
            ),
            rule(
                "x / max(‖x‖, ε) at 0",
                "The gradient is g / ε: a vector is made one of length 1, from nothing. Choose ε with that in mind.",
                "test_edge_layers.py::test_a_direction_made_from_nothing",
            ),
        ],
    ),
]
