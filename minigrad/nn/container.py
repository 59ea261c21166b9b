"""Floor 4: modules made of modules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Self

from .module import Module


class Sequential(Module):
    """y = fₙ(… f₂(f₁(x)) …)

        net = Sequential(Linear(784, 64), ReLU(), Linear(64, 10))        # named 0, 1, 2
        net = Sequential(hidden=Linear(784, 64), bend=ReLU())            # or from a dict of names
        net[0], net[-1], net[:2], len(net), net.append(Softmax())

    Likely error: neighbours whose widths differ; the error says in which layer.
    """

    def __init__(self, *modules: Any, **named: Module) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named, modules = {**modules[0], **named}, ()
        for name, module in ({str(i): module for i, module in enumerate(modules)} | named).items():
            self._add(name, module)

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            fix = ""
            if isinstance(module, type) and issubclass(module, Module):
                fix = f"; did you mean {module.__name__}()?"
            elif isinstance(module, (list, tuple)):
                fix = "; write * before the list"
            raise TypeError(f"{type(self).__name__}: layer {name} must be a Module, not {module!r}{fix}")
        self._register(name, module)

    def forward(self, x: Any) -> Any:
        for name, layer in self.__dict__.items():
            if not isinstance(layer, Module):
                continue
            try:
                x = layer(x)
            except Exception as error:
                error.add_note(f"  in layer {name} of {type(self).__name__}: {type(layer).__name__}")
                raise
        return x

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._own(Module))

    def __getitem__(self, index: Any) -> Any:
        """A layer, or for a slice a Sequential of the same layers under the same names."""
        if isinstance(index, slice):
            return Sequential(dict(self._own(Module)[index]))
        return self._at(index)[1]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._at(index)[0], module)

    def _at(self, index: int) -> tuple[str, Module]:
        try:
            return self._own(Module)[index]
        except IndexError:
            raise IndexError(f"layer {index} of a {type(self).__name__} of {len(self)} layers") from None

    def append(self, module: Module) -> Self:
        """Adds a layer at the end."""
        self._add(next(str(i) for i in itertools.count(len(self)) if str(i) not in vars(self)), module)
        return self
