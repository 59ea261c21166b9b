"""Floor 4: modules made of modules."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from ..anomaly import AnomalyError
from ..errors import ShapeError
from ..tensor import Tensor
from .module import Module


class Row(Module):
    """Modules in a row: what Sequential and ModuleList share."""

    def _add(self, name: str, module: Any) -> None:
        self._register(name, checked(self, name, module))

    def __len__(self) -> int:
        return len(self._own(Module))

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._own(Module))

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


def checked(home: Module, name: str, module: Any) -> Module:
    """Refuses what is no Module, with the likely fix."""
    if isinstance(module, Module):
        return module
    fix = ""
    if isinstance(module, type) and issubclass(module, Module):
        fix = f"; did you mean {module.__name__}()?"
    elif isinstance(module, (list, tuple)) and isinstance(home, Sequential):
        fix = "; write * before the list"
    raise TypeError(f"{type(home).__name__}: layer {name} must be a Module, not {module!r}{fix}")


class Sequential(Row):
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

    def forward(self, x: Any) -> Any:
        for name, layer in self.__dict__.items():
            if not isinstance(layer, Module):
                continue
            try:
                x = layer(x)
            except AnomalyError:  # it names the layer itself
                raise
            except Exception as error:
                error.add_note(f"  in layer {name} of {type(self).__name__}: {type(layer).__name__}")
                raise
        return x

    def __getitem__(self, index: Any) -> Any:
        """A layer, or for a slice a Sequential of the same layers under the same names."""
        if isinstance(index, slice):
            return Sequential(dict(self._own(Module)[index]))
        return self._at(index)[1]


class ModuleList(Row):
    """Modules in a list, named 0, 1, 2 …, for a forward of your own

        self.blocks = ModuleList(Block(64) for _ in range(4))
        for block in self.blocks:
            x = block(x)

    It is used like a list. In a plain list, parameters would not be found. Likely error: calling it, as a Sequential.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a ModuleList computes nothing: call its modules one by one, or use Sequential")

    def __getitem__(self, index: Any) -> Any:
        """A module, or for a slice a ModuleList of the same modules, named from 0."""
        return ModuleList(list(self)[index]) if isinstance(index, slice) else self._at(index)[1]

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        del modules[index]
        self._renew(modules)

    def _renew(self, modules: list[Module]) -> None:
        for name, _ in self._own(Module):
            delattr(self, name)
        self.extend(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Adds a module before that of the index; those behind move up."""
        modules = list(self)
        modules.insert(index, checked(self, str(index), module))
        self._renew(modules)

    def pop(self, index: int = -1) -> Module:
        """Takes a module out; those behind move down."""
        module = self._at(index)[1]
        del self[index]
        return module

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *modules])


class ModuleDict(Module):
    """Modules by name, for a forward of your own

        self.heads = ModuleDict({"age": Linear(64, 1), "city": Linear(64, 100)})
        y = self.heads["age"](x)

    It is used like a dict. Likely error: a name with a dot, or one that means something else ("train", "keys").
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a ModuleDict computes nothing: call its modules by their names")

    def _modules(self) -> dict[str, Module]:
        return dict(self._own(Module))

    def __getitem__(self, name: str) -> Module:
        modules = self._modules()
        if name not in modules:
            raise KeyError(f"no module {name!r} in the ModuleDict; it has {', '.join(modules) or 'none'}")
        return modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        checked(self, name, module)
        if name in self:
            setattr(self, name, module)
        else:
            self._register(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]  # raises where there is none
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules())

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules())

    def __contains__(self, name: object) -> bool:
        return name in self._modules()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules().keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules().values()

    def items(self) -> ItemsView[str, Module]:
        """The names with their modules."""
        return self._modules().items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Sets several modules."""
        for name, module in dict(modules).items():
            self[name] = module

    def pop(self, name: str) -> Module:
        """Takes a module out."""
        module = self[name]
        del self[name]
        return module


class Residual(Module):
    """y = f(x) + x, or f(x) + s(x) with a shortcut s        f keeps the shape of x, or s brings x to that of f(x)

        Residual(Sequential(Linear(64, 64), ReLU(), Linear(64, 64)))
        Residual(block, shortcut=Conv2d(64, 128, 1, stride=2))

    Gradients reach x past f, however deep the network. f(x) and x must have one shape: nothing is broadcast.
    He et al., "Deep residual learning" (2016), eq. 1 and 2.
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.module = checked(self, "module", module)
        self.shortcut = None if shortcut is None else checked(self, "shortcut", shortcut)

    def forward(self, x: Any) -> Tensor:
        y = self.module(x)
        x = x if self.shortcut is None else self.shortcut(x)
        if y.shape != x.shape:
            raise ShapeError(
                f"Residual: the module made {y.shape} of x, the shortcut is {x.shape}, and they are added: let the "
                "module keep the shape, or give a projection, such as Residual(module, shortcut=Linear(in, out))"
            )
        return y + x
