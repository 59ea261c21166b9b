"""Steps: an operation as its domain says, or in a way of its own for shapes and indices of every kind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.check.strategies import signature

from .operands import Operands, Reject, apart
from .programs import Leaf
from .table import FORMS, WRITE, known


class Steps(Operands):
    """Adds a step, with all that it needs: `featured(name)`."""

    # ---- an operation, from its domain

    def featured(self, name: str) -> int:
        draw = getattr(self, f"draw_{name}", None)
        if draw is not None and (name in FORMS or name == WRITE or self.chance(0.8)):
            return draw()
        if name in FORMS:
            return self.add(name, self.calm(self.any()))
        return self.from_domain(name)

    def from_domain(self, name: str) -> int:
        what, bag = known(name), self.bag()
        domain = what.domain
        specs = [domain.get(n, domain.get("*", (-3.0, 3.0))) for n in what.inputs]
        options: dict[str, Any] = {}
        if "cases" in domain:
            case = self.pick(domain["cases"])
            given = [case[n] for n in what.inputs] if not what.variadic else list(case[what.inputs[0]])
            specs = specs * len(given) if what.variadic else specs
            options = {k: v for k, v in case.items() if k not in what.inputs}
            kinds = [self.kind(s) for s in specs]
            inputs = [
                self.input(shape, spec) if isinstance(shape, tuple) else shape if shape is None else self.array(shape)
                for shape, spec in zip(given, kinds, strict=True)
            ]
        else:
            inputs = [
                None if n in what.optional and self.chance(0.3) else self.input(shape, self.kind(spec))
                for n, shape, spec in zip(what.inputs, self.shapes(domain, len(specs)), specs, strict=True)
            ]
        inputs = self.into(inputs, specs, bag)
        if "cases" not in domain:
            ndim = len(self.dims(inputs[0])) if isinstance(inputs[0], int) else np.ndim(inputs[0].value)
            for key, choice in domain.items():
                if key not in ("shapes", "empty", "spread", "*", "inputs") and key not in what.inputs:
                    options[key] = self.axis(choice, ndim) if isinstance(choice, str) else self.pick(list(choice))
            self.enough(domain, inputs[0], options)
        if name in ("prod", "cumprod") and self.chance(0.4):
            inputs[0] = self.zeros(inputs[0])
        return self.add(name, *inputs, **options)

    def enough(self, domain: dict, x: Any, options: dict) -> None:
        """Whether a reduction has as many elements as it needs."""
        shape = self.dims(x) if isinstance(x, int) else ()
        if not domain.get("empty", True) and 0 in shape:
            raise Reject
        if "spread" in domain:
            over = options["axis"]
            over = range(len(shape)) if over is None else (over if isinstance(over, tuple) else (over,))
            if math.prod(shape[a] for a in over) < domain["spread"]:
                raise Reject

    def kind(self, spec: Any) -> str:
        return spec if spec in ("bool", "int") else "float"

    def array(self, given: Any) -> Leaf:
        x = np.asarray(given)
        return self.literal(x)

    def input(self, shape: Any, kind: str) -> Any:
        """An operand of a shape, or one that is there already."""
        if isinstance(shape, int):
            return shape
        if kind == "bool":
            return self.mask(shape) if self.chance(0.6) else self.literal(self.rng.random(shape) < 0.5)
        if kind == "int":
            return self.literal(self.rng.integers(0, 8, shape))
        return self.operand(shape)

    def shapes(self, domain: dict, count: int) -> list:
        """Shapes that belong together, the first one of something that is there: that is named by its number."""
        kind = domain.get("shapes", "broadcast")
        full = not domain.get("empty", True)
        if kind in ("same", "broadcast"):
            booleans = any(domain.get(n) in ("bool", "int") for n in domain) or domain.get("*") == "int"
            first = self.any(lambda s: math.prod(s) > 0 or not full)
            shape = self.dims(first)
            if booleans:
                return [shape] * count
            rest = [shape if kind == "same" else self.part(shape) for _ in range(count - 1)]
            shapes = [first, *(first if r == shape and self.chance(0.1) else r for r in rest)]
            if kind == "broadcast" and count > 1 and self.chance(0.3):
                shapes = shapes[::-1]
            return shapes
        groups = signature(kind)
        sizes = {n: self.pick([1, 2, 3]) for group in groups for n in group if n != "..."}
        letters = [n for n in groups[0] if n != "..."]
        first = self.any(lambda s: len(s) >= len(letters) and math.prod(s) > 0)
        if "..." not in groups[0]:
            first = self.fitted(first, tuple(sizes[n] for n in letters))
        shape = self.dims(first)
        sizes.update(zip(letters, shape[len(shape) - len(letters) :]))
        batch = shape[: len(shape) - len(letters)]
        rest = [
            (*self.part(batch), *(sizes[n] for n in group[1:])) if "..." in group else tuple(sizes[n] for n in group)
            for group in groups[1:]
        ]
        return [first, *rest]

    def into(self, inputs: list, specs: list, bag: list) -> list:
        """The inputs, guarded."""
        joint = [k for k, (x, s) in enumerate(zip(inputs, specs)) if s == "distinct" and isinstance(x, int)]
        if joint and apart([self.value(inputs[k]) for k in joint]):
            joint, specs = [], [(-25.0, 25.0) if s == "distinct" else s for s in specs]
        result = []
        for k, (x, spec) in enumerate(zip(inputs, specs, strict=True)):
            guard = isinstance(x, int) and (k in joint or spec not in ("bool", "int"))
            result.append(self.guarded(x, spec, bag) if guard else x)
        return result

    # ---- draws of their own, for shapes of every kind

    def draw_operator(self) -> int:
        symbol, reflected = self.pick(["+", "-", "*", "/", "**"]), self.chance(0.5)
        number = self.pick([2, 3, 0.5, -1.5, 1])
        if symbol == "**" and reflected:
            number = self.pick([2, 0.5, 1.5])
        spec: Any = (-3.0, 3.0)
        if (symbol == "/" and reflected) or symbol == "**":
            spec = (-2.0, 2.0) if symbol == "**" and reflected else (0.1, 3.0)
        x = self.guarded(self.any(), spec, [])
        return self.add("operator", x, symbol=symbol, number=number, reflected=reflected)

    def draw_symbol(self) -> int:
        symbol = self.pick(["+", "-", "*", "/", "@"])
        name = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "@": "matmul"}[symbol]
        domain = known(name).domain
        inputs = [self.input(s, "float") for s in self.shapes(domain, 2)]
        inputs = self.into(inputs, [domain.get("a", (-3.0, 3.0)), domain.get("b", (-3.0, 3.0))], [])
        return self.add("symbol", *inputs, symbol=symbol)

    def draw_T(self) -> int:
        return self.add("T", self.any())

    def draw_detach(self) -> int:
        y = self.add("copy", self.add("detach", self.any()))
        self.writable.append(y)
        return y

    def draw_piece(self) -> int:
        x = self.any(lambda s: len(s) > 0)
        axis = self.axis("axis!", len(self.dims(x)))
        n = self.pick([1, 2, 3])
        return self.add("piece", x, n=n, i=self.below(n), axis=axis)

    def draw_vmap(self) -> int:
        return self.add("vmap", self.calm(self.any(lambda s: len(s) > 0 and s[0] > 0)))

    def draw_write(self) -> int:
        """A write into a constant that nothing else may look at any more, or under no_grad into a leaf."""
        leaves = [
            i for i, leaf in self.leaves.items() if leaf.requires_grad and i in self.pool and leaf.dtype != "bool"
        ]
        fresh = [i for i in self.writable if i in self.pool]
        if leaves and self.chance(0.4):
            x = self.pick(leaves)
        else:
            x = self.pick(fresh) if fresh and self.chance(0.8) else self.draw_detach()
        index = self.index(self.dims(x), repeats=False)
        shape = np.zeros(self.dims(x))[index].shape
        value = self.literal(self.rng.uniform(-3, 3, self.part(shape)))
        y = self.add(WRITE, x, value, index=index)
        gone = {x}
        for step in self.steps[:-1]:  # what may look into the same memory
            if gone & {i for i in step.inputs if isinstance(i, int)}:
                gone.add(step.out)
        self.pool = [i for i in self.pool if i not in gone or (i != x and self.exact.values[i].requires_grad)]
        self.writable = [i for i in self.writable if i != x]
        return y

    def index(self, shape: tuple, repeats: bool = True) -> Any:
        """What may stand between the brackets of x[…]."""
        if repeats and shape and 0 not in shape and self.chance(0.15):
            mask = self.rng.random(shape[: 1 + self.below(len(shape))]) < 0.5
            return mask.tolist() if mask.any() else 0
        parts: list[Any] = []
        listed = False
        for n in shape:
            kind = self.pick(["all", "all", "slice", "slice", "backwards", "one", "list", "mask"])
            if kind == "slice":
                parts.append(slice(self.pick([None, 0, 1, -2]), self.pick([None, n, -1]), self.pick([None, 1, 2])))
            elif kind == "backwards":
                parts.append(slice(None, None, self.pick([-1, -2])) if repeats else slice(None))
            elif kind == "one" and n:
                parts.append(int(self.rng.integers(-n, n)))
            elif kind == "list" and n and not listed:
                listed = True
                if repeats:
                    size = (self.pick([1, 2, 3]),) if self.chance(0.8) else (2, 2)
                    parts.append(self.rng.integers(-n, n, size).tolist())
                else:
                    parts.append(self.rng.permutation(n)[: 1 + self.below(n)].tolist())
            elif kind == "mask" and n and not listed:
                listed = True
                parts.append((self.rng.random(n) < 0.6).tolist())
            else:
                parts.append(slice(None))
        if self.chance(0.2):
            parts.insert(self.below(len(parts) + 1), None)
        if self.chance(0.2):
            k = self.below(len(parts) + 1)
            while k and parts[-1] == slice(None):
                parts.pop()
                k = min(k, len(parts))
            parts.append(...)
        return tuple(parts)

    def draw_getitem(self) -> int:
        x = self.any()
        return self.add("getitem", x, index=self.index(self.dims(x)))

    def draw_index_put(self) -> int:
        x = self.any(lambda s: 0 not in s)
        index = self.index(self.dims(x), repeats=False)
        value = self.operand(self.part(np.zeros(self.dims(x))[index].shape))
        return self.add("index_put", x, value, index=index)

    def draw_reshape(self) -> int:
        x = self.any()
        n = math.prod(self.dims(x))
        factors = [(-1,), (n,), (1, n), (n, 1), (1, -1, 1)]
        factors += [(a, n // a) for a in (2, 3, 4) if n % a == 0] + [(2, -1, 2)] * (n % 4 == 0)
        return self.add("reshape", x, shape=self.pick([f for f in factors if n or -1 not in f]))

    def draw_transpose(self) -> int:
        x = self.any()
        ndim = len(self.dims(x))
        axes = tuple(int(a) - ndim * self.chance(0.3) for a in self.rng.permutation(ndim))
        return self.add("transpose", x, axes=axes if self.chance(0.7) else None)

    def draw_swapaxes(self) -> int:
        x = self.any(lambda s: len(s) > 1)
        ndim = len(self.dims(x))
        return self.add("swapaxes", x, axis1=self.axis("axis!", ndim), axis2=self.axis("axis!", ndim))

    def draw_moveaxis(self) -> int:
        x = self.any(lambda s: len(s) > 1)
        ndim = len(self.dims(x))
        return self.add("moveaxis", x, source=self.axis("axis!", ndim), destination=self.axis("axis!", ndim))

    def draw_expand_dims(self) -> int:
        x = self.any()
        ndim = len(self.dims(x))
        return self.add("expand_dims", x, axis=self.pick([0, -1, ndim, (0, -1)]))

    def draw_squeeze(self) -> int:
        x = self.any(lambda s: 1 in s)
        ones = [a for a, n in enumerate(self.dims(x)) if n == 1]
        return self.add("squeeze", x, axis=self.pick([None, self.pick(ones), tuple(ones)]))

    def draw_broadcast_to(self) -> int:
        x = self.any()
        shape = tuple(self.pick([1, 2, 3]) if n == 1 else n for n in self.dims(x))
        return self.add("broadcast_to", x, shape=(*(self.pick([1, 2]) for _ in range(self.below(3))), *shape))

    def draw_concatenate(self) -> int:
        x = self.any(lambda s: len(s) > 0)
        shape = self.dims(x)
        axis = self.axis("axis!", len(shape))
        others = []
        for _ in range(self.pick([0, 1, 1, 2])):
            other = list(shape)
            other[axis] = self.pick([1, 2, shape[axis]])
            others.append(x if self.chance(0.3) else self.operand(tuple(other)))
        return self.add("concatenate", x, *others, axis=axis)

    def draw_stack(self) -> int:
        x = self.any()
        shape = self.dims(x)
        others = [x if self.chance(0.3) else self.operand(shape) for _ in range(self.pick([0, 1, 1, 2]))]
        return self.add("stack", x, *others, axis=self.axis("axis!", len(shape) + 1))

    def draw_roll(self) -> int:
        x = self.any(lambda s: len(s) > 0)
        return self.add("roll", x, shift=self.pick([1, 2, -1]), axis=self.axis("axis", len(self.dims(x))))

    def draw_repeat(self) -> int:
        x = self.any(lambda s: len(s) > 0)
        axis = self.axis("axis!", len(self.dims(x)))
        each = self.rng.integers(0, 3, self.dims(x)[axis]).tolist()
        return self.add("repeat", x, repeats=each if each and self.chance(0.4) else 2, axis=axis)

    def draw_take_along_axis(self) -> int:
        x = self.any(lambda s: len(s) > 0 and 0 not in s)
        shape = list(self.dims(x))
        axis = self.axis("axis!", len(shape))
        n = shape[axis]
        shape[axis] = self.pick([1, 2, 3])
        return self.add("take_along_axis", x, self.literal(self.rng.integers(-n, n, shape)), axis=axis)

    def draw_masked_fill(self) -> int:
        x = self.any()
        shape = self.dims(x)
        return self.add("masked_fill", x, self.mask(shape), self.operand(()))

    def draw_where(self) -> int:
        x = self.any()
        shape = self.dims(x)
        branches = [x, self.operand(self.part(shape))]
        return self.add("where", self.mask(shape), *(branches if self.chance(0.5) else branches[::-1]))

    def draw_einsum(self) -> int:
        """Random letters: some summed, some kept, some shared, now and then a diagonal or axes of a batch."""
        sizes = {letter: self.pick([1, 2, 3]) for letter in "ijkl"}
        count = self.pick([1, 2, 2, 2, 3])
        terms = ["".join(self.rng.permutation(list("ijkl"))[: self.pick([1, 2, 2, 3])]) for _ in range(count)]
        if self.chance(0.1):
            terms[0] = "ii"
        letters = sorted(set("".join(terms)))
        kept = "".join(self.rng.permutation(letters)[: self.below(len(letters) + 1)])
        dots = "..." if self.chance(0.2) else ""
        operands = []
        for term in terms:
            batch = self.pick([(), (2,), (1,)]) if dots else ()
            operands.append(self.calm(self.operand((*batch, *(sizes[a] for a in term)))))
        subscripts = ",".join(dots + t for t in terms) + "->" + dots + kept
        return self.add("einsum", *operands, subscripts=subscripts)
