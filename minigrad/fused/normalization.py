"""Floor 3: the twins of normalizations.

With x̂ = (x − μ) r, r = 1 / √(σ² + ε), h = ∂x̂ and means over the n numbers that μ and σ² are taken over,

    ∂x = r (h − mean h − x̂ mean(h x̂)):

the gradient without its part along the directions in which μ and σ² take x back. x̂ and r are kept from the forward
formula. Sums are products with a vector of ones wherever memory is laid out for it: BLAS adds faster than a reduction.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import functional
from ..composition import fused
from ..functional.normalization import over_channels, spacing
from ..tensor import Tensor

# ---- over the batch: x (N, C, …), one r for each channel


def per_channel(xp: Any, x: Any) -> Any:
    """Σ x over samples and places: (N, C, …) → (C,)."""
    if x.ndim == 2:
        return xp.matmul(xp.ones(len(x), x.dtype), x)
    return xp.sum(x, axis=over_channels(x))


def beside(xp: Any, value: Any, x: Any) -> Any:
    """(C,) → (C, 1, …)"""
    return xp.reshape(value, (-1, *(1,) * (x.ndim - 2)))


def of_batch(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, statistics: Any = None) -> tuple | None:
    """standardize_batch: Tensors of one float dtype whose shapes fit, several values for each channel."""
    if not isinstance(x, Tensor) or x.ndim < 2 or x.size <= x.shape[1] or not fits(x, x.shape[1:2], weight, bias):
        return None
    return taken(x, weight, bias), nodes(x, weight, bias), {"eps": eps, "statistics": statistics}


def fits(x: Tensor, shape: tuple, *others: Any) -> bool:
    """Whether the others are None, or Tensors of the kind and dtype of x and of that shape."""
    if x.dtype.kind != "f" or x.dtype.itemsize < 4 or not x.size:  # float16 is summed with care by the definition
        return False
    return all(
        t is None
        or (isinstance(t, Tensor) and t.shape == shape and t.dtype == x.dtype and type(t.data) is type(x.data))
        for t in others
    )


def taken(*tensors: Any) -> tuple:
    return tuple(None if t is None else t.data for t in tensors)


def nodes(*tensors: Any) -> tuple:
    return tuple(None if t is None else t.node for t in tensors)


def towards_batch(xp: Any, g: Any, weight: Any, z: Any, r: Any) -> Any:
    """∂x = γ r (g − mean g − x̂ mean(g x̂))"""
    n = z.size // z.shape[1]
    d = z * beside(xp, per_channel(xp, g * z) / -n, z)
    d += g
    d -= beside(xp, per_channel(xp, g) / n, z)
    d *= beside(xp, r if weight is None else r * weight, z)
    return d


@fused(
    functional.standardize_batch,
    extras=("z", "r"),
    x=towards_batch,
    weight=lambda xp, g, z: per_channel(xp, g * z),
    bias=lambda xp, g: per_channel(xp, g),
    takes=of_batch,
)
def standardize_batch(
    xp: Any, x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, statistics: Any = None
) -> Any:
    """z = x̂ = (x − μ) r;  y = γ z + β"""
    n = x.size // x.shape[1]
    mu = per_channel(xp, x) / n
    z = x - beside(xp, mu, x)
    variance = per_channel(xp, z * z) / n
    if statistics is not None:
        statistics[:] = mu, variance
    r = 1 / xp.sqrt(variance + eps)
    z *= beside(xp, r, x)
    weight, bias = (None if v is None else beside(xp, v, x) for v in (weight, bias))
    return affine(xp, z, weight, bias), z, r


def affine(xp: Any, z: Any, weight: Any, bias: Any) -> Any:
    """γ z + β in memory of its own"""
    y = xp.copy(z) if weight is None else z * weight
    if bias is not None:
        y += bias
    return y


# ---- over the last axes: as rows (R, D), with one r for each


def rows(xp: Any, x: Any, shape: Any) -> Any:
    """(…, *shape) → (R, D)"""
    return xp.reshape(x, (-1, prod(shape)))


def mean_of_rows(xp: Any, x: Any) -> Any:
    """(R, D) → (R, 1)"""
    return xp.expand_dims(xp.matmul(x, xp.ones(x.shape[1], x.dtype)), 1) / x.shape[1]


def sum_of_rows(xp: Any, x: Any, shape: Any) -> Any:
    """(R, D) → shape, of D elements"""
    return xp.reshape(xp.matmul(xp.ones(len(x), x.dtype), x), shape)


def last_axes(normalized_shape: Any) -> Any:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


def of_layer(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> tuple | None:
    """layer_norm: Tensors of one float dtype whose shapes fit, and something to normalize."""
    shape = last_axes(normalized_shape)
    if not isinstance(x, Tensor) or not shape or x.shape[-len(shape) :] != shape or not fits(x, shape, weight, bias):
        return None
    return taken(x, weight, bias), nodes(x, weight, bias), {"normalized_shape": shape, "eps": eps}


def towards_layer(xp: Any, g: Any, weight: Any, z: Any, r: Any, x_shape: Any, normalized_shape: Any) -> Any:
    """∂x = r (h − mean h − x̂ mean(h x̂)) with h = γ g"""
    h = towards_normal(xp, g, weight, normalized_shape)
    d = z * -mean_of_rows(xp, h * z)
    d += h
    d -= mean_of_rows(xp, h)
    d *= r
    return xp.reshape(d, x_shape)


def towards_normal(xp: Any, g: Any, weight: Any, shape: Any) -> Any:
    """h = ∂x̂ = γ g, as rows"""
    return rows(xp, g if weight is None else g * weight, shape)


def towards_weight(xp: Any, g: Any, z: Any, normalized_shape: Any) -> Any:
    """∂γ = Σ g x̂"""
    return sum_of_rows(xp, rows(xp, g, normalized_shape) * z, normalized_shape)


@fused(
    functional.layer_norm,
    extras=("z", "r"),
    x=towards_layer,
    weight=towards_weight,
    bias=lambda xp, g, normalized_shape: sum_of_rows(xp, rows(xp, g, normalized_shape), normalized_shape),
    takes=of_layer,
)
def layer_norm(
    xp: Any, x: Any, weight: Any = None, bias: Any = None, *, normalized_shape: Any, eps: float = 1e-5
) -> Any:
    """z = x̂ = (x − μ) r;  y = γ z + β"""
    z = rows(xp, x, normalized_shape)
    z = z - mean_of_rows(xp, z)
    r = 1 / xp.sqrt(mean_of_rows(xp, z * z) + eps)
    z *= r
    return affine(xp, xp.reshape(z, x.shape), weight, bias), z, r


def of_rms(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> tuple | None:
    """rms_norm: Tensors of one float dtype whose shapes fit, and something to normalize."""
    call = of_layer(x, normalized_shape, weight, None, spacing(x) if eps is None else eps)
    return call and (call[0][:2], call[1][:2], call[2])


def towards_rms(xp: Any, g: Any, weight: Any, z: Any, r: Any, x_shape: Any, normalized_shape: Any) -> Any:
    """∂x = r (h − x̂ mean(h x̂)) with h = γ g: no mean was taken away"""
    h = towards_normal(xp, g, weight, normalized_shape)
    d = z * -mean_of_rows(xp, h * z)
    d += h
    d *= r
    return xp.reshape(d, x_shape)


@fused(functional.rms_norm, extras=("z", "r"), x=towards_rms, weight=towards_weight, takes=of_rms)
def rms_norm(xp: Any, x: Any, weight: Any = None, *, normalized_shape: Any, eps: float | None = None) -> Any:
    """z = x̂ = x r with r = 1 / √(mean x² + ε);  y = γ z"""
    z = rows(xp, x, normalized_shape)
    r = 1 / xp.sqrt(mean_of_rows(xp, z * z) + eps)
    z = z * r
    return affine(xp, xp.reshape(z, x.shape), weight, None), z, r
