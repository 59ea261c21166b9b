"""Floor 2: the table of operators and methods that Tensor gets from the operations.

Tensor knows no mathematics and the operations need Tensor: putting the methods on from here keeps that free of circles.
Editors read them from `tensor.pyi`, which `python -m minigrad.ops.stub` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .. import ops
from ..inplace import InplaceError, write
from ..modes import recording
from ..tensor import Tensor
from .assign import At
from .index import plain

OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}
METHODS = """
    sum mean max min var std argmax argmin any all prod cumsum cumprod sort argsort
    reshape transpose swapaxes squeeze ravel flatten repeat diagonal trace clip copy astype to
    round exp log log1p expm1 sqrt square sin cos tanh abs sigmoid relu softplus erf logsumexp
""".split()


def reflected(function: Callable) -> Callable:
    """__radd__ and its like: the operands the other way round."""

    def method(self: Tensor, other: Any) -> Tensor:
        return function(other, self)

    return method


def rebinding(function: Callable, symbol: str) -> Callable:
    """`x += y` makes a new tensor and gives it the name x, so that no graph loses a value. Only a leaf that requires
    gradients is written to, under no_grad: that is the update step of training."""

    def method(self: Tensor, other: Any) -> Tensor:
        if self.node is None or self.node.op is not None:
            return function(self, other)
        if recording.get():
            raise InplaceError(
                f"x {symbol}= …: x is a leaf that requires gradients, and operations are recorded; write "
                f"`with minigrad.no_grad():` around an update, or `x = x {symbol} …` for a new tensor"
            )
        write(self, function(self, other), f"x {symbol}= …")
        return self

    return method


def iterate(self: Tensor) -> Iterator[Tensor]:
    """The tensors along the first axis."""
    if not self.data.ndim:
        raise TypeError("a 0-d tensor has nothing to iterate over")
    return (ops.getitem(self, i) for i in range(self.data.shape[0]))


def set_item(self: Tensor, index: Any, value: Any) -> None:
    write(self, value, "x[...] = …", plain(self.data, index))


def assign_(self: Tensor, value: Any) -> Tensor:
    """Writes values into this tensor's memory, where no graph needs the old ones."""
    write(self, value, "assign_")
    return self


def contains(self: Tensor, value: Any) -> bool:
    return bool(ops.any(ops.equal(self, value)))


SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@"}

for _name, _operation in OPERATORS.items():
    _function = getattr(ops, _operation)
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", reflected(_function))
    if _name in SYMBOLS:
        setattr(Tensor, f"__i{_name}__", rebinding(_function, SYMBOLS[_name]))
for _name, _operation in {**COMPARISONS, **UNARY}.items():
    setattr(Tensor, f"__{_name}__", getattr(ops, _operation))
for _name in METHODS:
    setattr(Tensor, _name, getattr(ops, _name))

for _name, _method in {
    "__getitem__": ops.getitem,
    "__setitem__": set_item,
    "__iter__": iterate,
    "__contains__": contains,
    "assign_": assign_,
    "at": property(lambda self: At(self), doc="x.at[index].set(v), .add(v), .multiply(v): a changed copy of x."),
    "T": property(ops.transpose, doc="The transpose: the axes in reverse order."),
    "mT": property(ops.matrix_transpose, doc="The transpose of each matrix: the last two axes swapped."),
}.items():
    setattr(Tensor, _name, _method)
