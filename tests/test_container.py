"""Modules made of modules: lists, dicts, and residual connections."""

import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError


def test_a_module_list_is_like_a_list():
    a, b, c, d = (nn.Linear(n, 1) for n in (1, 2, 3, 4))
    modules = nn.ModuleList([a, b])
    assert modules.append(c) is modules
    assert modules.extend(m for m in [d]) is modules
    assert len(modules) == 4
    assert list(modules) == [a, b, c, d]
    assert modules[0] is a
    assert modules[-1] is d
    assert list(modules[1:3]) == [b, c]
    assert list(modules[1:3].state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert b in modules
    assert nn.ReLU() not in modules
    modules[1] = d
    assert modules[1] is d
    modules[1] = b
    e = nn.ReLU()
    modules.insert(1, e)
    assert list(modules) == [a, e, b, c, d]
    assert [name for name, _ in modules.named_children()] == ["0", "1", "2", "3", "4"]
    assert modules.pop(1) is e
    assert modules.pop() is d
    del modules[0]
    assert list(modules) == [b, c]
    assert list(modules.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert list(modules + [a]) == [b, c, a]
    assert list(modules) == [b, c]
    assert not len(nn.ModuleList())


def test_a_module_list_refuses():
    modules = nn.ModuleList([nn.ReLU()])
    with pytest.raises(IndexError, match="layer 1 of a ModuleList of 1 layers"):
        modules[1]
    with pytest.raises(TypeError, match=r"ModuleList: layer 1 must be a Module, .*; did you mean Tanh\(\)\?"):
        modules.append(nn.Tanh)
    with pytest.raises(TypeError, match="layer 0 must be a Module, not 3"):
        modules.insert(0, 3)
    assert len(modules) == 1
    with pytest.raises(NotImplementedError, match=r"a ModuleList computes nothing: .* or use Sequential"):
        modules(mg.ones(1))


def test_a_module_dict_is_like_a_dict():
    a, b = nn.Linear(1, 1), nn.Linear(2, 1)
    modules = nn.ModuleDict({"a": a})
    modules["b"] = b
    assert list(modules) == list(modules.keys()) == ["a", "b"]
    assert list(modules.values()) == [a, b]
    assert list(modules.items()) == [("a", a), ("b", b)]
    assert modules["a"] is a
    assert "a" in modules
    assert "c" not in modules
    assert len(modules) == 2
    modules.update([("a", b)])
    assert modules["a"] is b
    assert modules.pop("a") is b
    del modules["b"]
    assert not len(modules)
    assert list(nn.ModuleDict({"x": a}).state_dict()) == ["x.weight", "x.bias"]


def test_a_module_dict_refuses():
    modules = nn.ModuleDict({"a": nn.ReLU()})
    with pytest.raises(KeyError, match="no module 'b' in the ModuleDict; it has a"):
        modules["b"]
    with pytest.raises(KeyError, match="no module 'training'"):
        del modules["training"]
    with pytest.raises(TypeError, match="layer b must be a Module, not 1"):
        modules["b"] = 1
    for name in ("keys", "train", "a.b", ""):
        with pytest.raises(ValueError, match=r"already|means something else|without a dot"):
            modules[name] = nn.ReLU()
    with pytest.raises(NotImplementedError, match="a ModuleDict computes nothing"):
        modules(mg.ones(1))


def test_names_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")

    def build(nn):
        net = nn.Module()
        net.blocks = nn.ModuleList([nn.Linear(1, 2), nn.Linear(2, 1)])
        net.blocks.insert(0, nn.Linear(3, 1))
        net.heads = nn.ModuleDict({"age": nn.Linear(1, 1), "city": nn.Linear(1, 2)})
        return {name: tuple(x.shape) for name, x in net.state_dict().items()}

    assert build(nn) == build(torch.nn)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_plain_list_of_modules_is_refused(kind):
    net = nn.Module()
    with pytest.raises(TypeError) as caught:
        net.blocks = kind([nn.ReLU()])
    assert str(caught.value) == (
        f"Module.blocks: in a {kind.__name__}, the parameters of modules are not found; "
        "write self.blocks = nn.ModuleList(…)"
    )
    with pytest.raises(TypeError, match=r"nn.ModuleDict"):
        net.blocks = {"a": nn.ReLU()}
    net.sizes = kind([1, 2])
    net.blocks = nn.ModuleList([nn.ReLU()])


def test_residual():
    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    layer = nn.Residual(nn.Linear(2, 2))
    nn.init.zeros_(layer.module.weight)
    nn.init.zeros_(layer.module.bias)
    y = layer(x)
    y.sum().backward()
    assert y.tolist() == [[1, 2]]
    assert x.grad.tolist() == [[1, 1]]
    assert list(layer.state_dict()) == ["module.weight", "module.bias"]


def test_residual_refuses_shapes_that_differ():
    with pytest.raises(ShapeError) as caught:
        nn.Residual(nn.Linear(2, 1))(mg.ones(3, 2))  # (3, 1) would broadcast
    assert str(caught.value) == (
        "Residual: the module made (3, 1) of x, the shortcut is (3, 2), and they are added: let the module keep the "
        "shape, or give a projection, such as Residual(module, shortcut=Linear(in, out))"
    )
    assert nn.Residual(nn.Linear(2, 1), nn.Linear(2, 1))(mg.ones(3, 2)).shape == (3, 1)
    with pytest.raises(TypeError, match=r"Residual: layer module must be a Module, .*; did you mean ReLU\(\)\?"):
        nn.Residual(nn.ReLU)
