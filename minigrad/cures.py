"""Floor 1: what usually helps against a nan or an infinity, by the operation that it is born in."""

from __future__ import annotations

OVERFLOW = (
    "the numbers have grown too large for this dtype: a smaller learning rate, gradient clipping, normalised inputs; "
    "float32 in place of float16"
)
LOG = (
    "keep x above 0: log(clip(x, 1e-12)); for log(softmax(x)) and log(sigmoid(x)) use log_softmax and logsigmoid, "
    "or the losses that take logits; for log(1 + x) log1p"
)
DIVIDE = "keep the divisor away from 0: a / (b + eps) or a / clip(b, eps); eps about 1e-8, in float16 1e-4"
EXP = (
    "e^x is too large from x = 88.7 (float32), 709 (float64) or 11 (float16): subtract the largest x first, "
    "as softmax and logsumexp do; sigmoid, softplus and logaddexp are safe as they are"
)
ROOT = "keep x above 0: sqrt(x + eps), eps about 1e-12; for the length of a vector use norm, whose slope at 0 is 0"
INVERSE = "keep x inside of the open interval: clip(x, -1 + 1e-7, 1 - 1e-7)"
POWER = (
    "a negative base has no real power with a fraction as exponent, 0 none below 0, and below the exponent 1 the slope "
    "at 0 is infinite: clip(a, eps), or abs(a) where the sign does not matter"
)
EMPTY = "there must be something to average: an empty batch or mask? with ddof, more than ddof values"
SOFTMAX = (
    "a row in which everything is masked (all -inf) has no softmax: let each row keep one entry, or use "
    "attention_weights and scaled_dot_product_attention, whose masked rows are 0"
)
INFINITE = "inf - inf and 0 * inf have no value: look where the infinity came in; mask with where(mask, x, 0)"
SINGULAR = "the matrix has no inverse, or nearly none: add a small multiple of the identity, or use pinv"
REPEATED = "where eigenvalues or singular values are equal, the vectors have no gradient: use the values alone"

CURES: dict[str, str | tuple[str, str]] = {  # operation → text, or texts for forward and backward
    **dict.fromkeys(("log", "log2", "log10"), LOG),
    "log1p": "keep x above -1: log1p(clip(x, -1 + 1e-7))",
    **dict.fromkeys(("divide", "reciprocal", "remainder", "fmod", "floor_divide"), DIVIDE),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), EXP),
    "sqrt": ROOT,
    "cbrt": "the slope of the cube root at 0 is infinite: keep x away from 0",
    **dict.fromkeys(
        ("std", "var"), (EMPTY, "where all values are equal, std has no slope: use var, or sqrt(var + eps)")
    ),
    "norm": "the largest number is too large for this dtype, or p is too small: scale x first",
    "power": POWER,
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), INVERSE),
    "arccosh": "keep x above 1: clip(x, 1 + 1e-7)",
    "mean": (EMPTY, OVERFLOW),
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp"), (SOFTMAX, SOFTMAX)),
    **dict.fromkeys(("inv", "solve", "det", "slogdet", "pinv", "cholesky"), SINGULAR),
    **dict.fromkeys(("eigh", "svd", "qr"), (SINGULAR, REPEATED)),
    "astype": ("the number is too large for that dtype: scale it first, or take a wider dtype", OVERFLOW),
}
LIKE = {"cross_entropy": "log_softmax", "attention_weights": "softmax", "scaled_dot_product_attention": "softmax"}


def cure(names: tuple[str, ...], phase: str, value: float) -> str:
    """What usually helps, for the first name in the table, of an operation and the compositions that it is a part of;
    else against overflow, or for nan against infinities."""
    known = [name for name in (LIKE.get(name, name) for name in names) if name in CURES]
    found = CURES[known[0]] if known else INFINITE if value != value else OVERFLOW
    return found if isinstance(found, str) else found[phase == "backward"]
