"""Modules, layers and how weights start: what belongs to a module, what moves it, and PyTorch as the oracle."""

import copy
import gc
import math
import subprocess
import sys
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import init


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


class Block(nn.Module):
    """A bit of everything: a parameter, a missing one, two buffers, children, one of them twice."""

    def __init__(self, rng=None):
        super().__init__()
        self.scale = nn.Parameter(mg.ones(3))
        self.register_parameter("shift", None)
        self.register_buffer("mean", mg.zeros(3))
        self.register_buffer("mask", mg.ones(3), persistent=False)
        self.inner = nn.Linear(3, 3, rng=rng)
        self.again = self.inner
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(3, 2, rng=rng))

    def forward(self, x):
        return self.head(self.again(self.inner(x * self.scale - self.mean)))


def values(module):
    return {name: x.numpy().copy() for name, x in module.state_dict().items()}


def same(a, b):
    """Equal names, dtypes and bits."""
    return list(a) == list(b) and all(a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a)


def names(pairs):
    return [name for name, _ in pairs]


# ------------------------------------------------------------------------------------------- what belongs to a module


def test_parameters_come_once_in_the_order_of_their_attributes():
    block = Block()
    assert names(block.named_parameters()) == [
        "scale",
        "inner.weight",
        "inner.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert names(block.named_parameters(prefix="net", recurse=False)) == ["net.scale"]
    assert [id(p) for p in block.parameters()] == [id(p) for _, p in block.named_parameters()]


def test_a_parameter_shared_by_two_modules_comes_once():
    a, b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    b.weight = a.weight
    assert names(nn.Sequential(a, b).named_parameters()) == ["0.weight"]


def test_buffers():
    block = Block()
    assert names(block.named_buffers()) == ["mean", "mask"]
    assert list(block.state_dict())[:2] == ["scale", "mean"]
    block.mean = mg.ones(3)
    assert next(block.buffers()) is block.mean
    block.mean = None
    assert names(block.named_buffers()) == ["mask"]
    del block.mask
    assert not list(block.buffers())
    block.mask = mg.ones(3)  # now a tensor like any other
    assert not list(block.buffers())


def test_a_buffer_that_becomes_a_parameter_is_a_buffer_no_more():
    block = Block()
    block.mean = nn.Parameter(mg.ones(3))
    assert names(block.named_buffers()) == ["mask"]
    assert "mean" in names(block.named_parameters())


def test_modules_and_children_come_once():
    block = Block()
    assert names(block.named_modules()) == ["", "inner", "head", "head.0", "head.1"]
    assert names(block.named_children()) == ["inner", "head"]
    assert list(block.children()) == [block.inner, block.head]
    assert list(block.modules())[-1] is block.head[1]


def test_an_attribute_that_goes_is_gone():
    block = Block()
    del block.scale, block.head
    block.inner = None
    assert names(block.named_parameters()) == ["again.weight", "again.bias"]
    assert "scale" not in dir(block)
    assert "again" in dir(block)
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'scale'"):
        block.scale  # noqa: B018


def test_names_are_those_of_pytorch(torch):
    def build(nn, ones):
        class Twin(nn.Module):
            def __init__(self):
                super().__init__()
                self.second = nn.Linear(4, 4, bias=False)
                self.gain = nn.Parameter(ones(2))
                self.register_buffer("count", ones(1))
                self.register_buffer("hidden", ones(1), persistent=False)
                self.register_parameter("nothing", None)
                self.first = nn.Sequential(OrderedDict(a=nn.Linear(2, 4), b=nn.Tanh(), c=nn.Linear(4, 2)))
                self.tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), self.second)
                self.tied[0].weight = self.second.weight

        return Twin()

    ours, theirs = build(nn, mg.ones), build(torch.nn, torch.ones)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert names(getattr(ours, method)()) == names(getattr(theirs, method)())
    assert repr(ours) == repr(theirs)


# -------------------------------------------------------------------------------------------------------- attributes


def test_forgetting_super_init_is_told():
    class Forgetful(nn.Module):
        def __init__(self, layer):
            self.size = 3  # plain attributes may come first
            if layer:
                self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"Forgetful.__init__ must call super\(\).__init__\(\)"):
        Forgetful(True)
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful(False)(1)
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful(False).register_buffer("mean", mg.zeros(1))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", mg.zeros(3), r"Block.scale is a Parameter.*type Tensor.*assign_"),
        ("inner", 3, "Block.inner is a Module.*type int"),
        ("mean", np.zeros(3), "Block.mean is a buffer.*ndarray"),
    ],
)
def test_a_parameter_module_or_buffer_is_not_replaced_by_something_else(name, value, message):
    block = Block()
    held = getattr(block, name)
    with pytest.raises(TypeError, match=message):
        setattr(block, name, value)
    assert getattr(block, name) is held


@pytest.mark.parametrize("name", ["", "a.b", "train", "forward", "training", "_buffers"])
def test_names_that_mean_something_else_are_refused(name):
    for value in (nn.ReLU(), nn.Parameter(mg.ones(1))):
        with pytest.raises(ValueError, match=r"names no attribute|means something else"):
            setattr(nn.Module(), name, value)
    with pytest.raises(ValueError, match=r"names no attribute|means something else"):
        nn.Module().register_buffer(name, mg.ones(1))


def test_registration_refuses_what_is_there_or_does_not_belong():
    block = Block()
    with pytest.raises(ValueError, match="has an attribute 'scale' already"):
        block.register_parameter("scale", nn.Parameter(mg.ones(1)))
    with pytest.raises(ValueError, match="has an attribute 'inner' already"):
        block.register_buffer("inner", mg.ones(1))
    with pytest.raises(TypeError, match="must be a Parameter or None, not Tensor"):
        block.register_parameter("other", mg.ones(1))
    with pytest.raises(TypeError, match="must be a Tensor and no Parameter, not Parameter"):
        block.register_buffer("other", nn.Parameter(mg.ones(1)))
    with pytest.raises(TypeError, match="not ndarray"):
        block.register_buffer("other", np.ones(1))
    assert not hasattr(block, "other")


def test_the_error_inside_a_property_is_its_own():
    class Odd(nn.Module):
        @property
        def width(self):
            return self.weight.shape[0]

    with pytest.raises(AttributeError, match="has no attribute 'weight'"):
        Odd().width  # noqa: B018


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


# ------------------------------------------------------------------------------------------------- all of it at once


def test_train_and_eval_reach_everything():
    block = Block()
    assert all(m.training for m in block.modules())
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    block.head.train()
    assert [m.training for m in block.modules()] == [False, False, True, True, True]
    with pytest.raises(TypeError, match="mode is True or False"):
        block.train("yes")


def test_apply_goes_from_the_leaves_to_the_root():
    block, order = Block(), []
    assert block.apply(lambda m: order.append(type(m).__name__)) is block
    assert order == ["Linear", "ReLU", "Linear", "Sequential", "Block"]


def test_freezing_and_forgetting():
    block = Block()
    block(mg.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    block.inner.requires_grad_(False)
    block(mg.ones(4, 3)).sum().backward()
    assert [p.requires_grad for p in block.parameters()] == [True, False, False, True, True]
    assert block.inner.weight.grad is None
    assert block.scale.grad is not None
    assert block.requires_grad_() is block
    assert all(p.requires_grad for p in block.parameters())


def test_to_keeps_the_objects_and_their_gradients(device):
    block = Block(mg.Generator(0))
    block.count = mg.tensor([1, 2])
    block.register_buffer("steps", mg.tensor([1, 2]))
    block(mg.ones(4, 3)).sum().backward()
    objects = [id(p) for p in block.parameters()]
    before, gradients = values(block), [p.grad.numpy().copy() for p in block.parameters()]
    assert block.to(device, "float64") is block

    assert [id(p) for p in block.parameters()] == objects
    for p, g in zip(block.parameters(), gradients, strict=True):
        assert p.device.startswith(device)
        assert p.grad.device == p.device
        assert p.grad.dtype == p.dtype == np.float64
        assert np.array_equal(p.grad.numpy(), g)
    assert block.steps.dtype == np.int64
    assert block.steps.device == block.mask.device == block.scale.device
    assert block.count.device == "cpu"  # no buffer
    for name, x in block.state_dict().items():
        assert np.array_equal(x.numpy(), before[name])

    block.zero_grad()
    block(mg.ones(4, 3, dtype="float64", device=device)).sum().backward()
    for p, g in zip(block.parameters(), gradients, strict=True):
        assert p.grad.dtype == np.float64
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-5, atol=1e-6)


def test_to_leaves_a_shared_parameter_shared_and_hooks_in_place():
    a, b, seen = nn.Linear(2, 2), nn.Linear(2, 2), []
    b.weight = a.weight
    handle = a.weight.register_hook(lambda g: seen.append(g.dtype))
    net = nn.Sequential(a, b).to(np.float64)
    assert a.weight is b.weight
    net(mg.ones(1, 2, dtype=np.float64)).sum().backward()
    handle.remove()
    net(mg.ones(1, 2, dtype=np.float64)).sum().backward()
    assert seen == [np.float64]


def test_to_refuses_what_is_neither_device_nor_float():
    net = nn.Linear(2, 2)
    for target in ("cudaa", int, None, "int32", 3.5):
        with pytest.raises(TypeError, match="neither a float dtype nor a device"):
            net.to(target)
    with pytest.raises(TypeError, match="neither a float dtype"):
        net.to(dtype=bool)
    assert net.to("cpu").to(device="cpu", dtype="float16").weight.dtype == np.float16


def test_to_an_absent_device_changes_nothing():
    def absent():
        raise mg.backends.BackendUnavailableError("not here")

    mg.backends.register("absent", absent)
    net = nn.Linear(2, 2)
    try:
        with pytest.raises(mg.backends.BackendUnavailableError):
            net.to("float64", "absent")
    finally:
        del mg.backends.LOADERS["absent"]
    assert net.weight.dtype == np.float32


def test_deepcopy_shares_nothing_and_keeps_ties():
    block = Block(mg.Generator(0))
    x = mg.ones(4, 3)
    block(x).sum().backward()
    before = values(block)
    twin = copy.deepcopy(block)
    assert twin.again is twin.inner
    assert same(values(twin), before)
    assert np.array_equal(twin(x).detach().numpy(), block(x).detach().numpy())
    with mg.no_grad():
        for p in twin.parameters():
            p += 1
    twin.zero_grad()
    twin(x).sum().backward()
    twin.train(False)
    twin.register_buffer("extra", mg.ones(1))
    assert same(values(block), before)
    assert block.training
    assert "extra" not in names(block.named_buffers())


def test_a_module_goes_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        handle = net.register_forward_hook(lambda *_: None)
        net(mg.ones(1, 2)).sum().backward()
        gone = weakref.ref(net)
        del net, handle
        assert gone() is None
    finally:
        gc.enable()


# -------------------------------------------------------------------------------------------------------------- hooks


def test_forward_hooks_see_and_replace():
    net, seen = nn.Linear(2, 1), []
    x = mg.ones(3, 2)
    plain = net(x)

    def look(module, args, output):
        seen.append((module is net, args[0] is x, output.shape))

    with net.register_forward_hook(look):
        assert np.array_equal(net(x).detach().numpy(), plain.detach().numpy())
    double = net.register_forward_hook(lambda module, args, output: output * 2)
    add = net.register_forward_hook(lambda module, args, output: output + 1)  # after the first
    np.testing.assert_array_equal(net(x).detach().numpy(), plain.detach().numpy() * 2 + 1)
    double.remove()
    double.remove()
    np.testing.assert_array_equal(net(x).detach().numpy(), plain.detach().numpy() + 1)
    add.remove()
    np.testing.assert_array_equal(net(x).detach().numpy(), plain.detach().numpy())
    assert seen == [(True, True, (3, 1))]


def test_pre_hooks_see_and_replace():
    class Sum(nn.Module):
        def forward(self, a, b, scale=1):
            return (a + b) * scale

    net = Sum()
    net.register_forward_pre_hook(lambda module, args: (args[0], args[1] * 10))
    net.register_forward_pre_hook(lambda module, args: None)
    assert net(1, 2, scale=3) == 63

    one = nn.Identity()
    one.register_forward_pre_hook(lambda module, args: args[0] + 1)  # one value stands for one argument
    assert one(1) == 2


def test_a_hook_may_take_itself_off_and_may_watch_gradients():
    net, gradients = nn.Linear(2, 2), []

    def watch(module, args, output):
        output.register_hook(lambda g: gradients.append(g.shape))
        handle.remove()

    handle = net.register_forward_hook(watch)
    for _ in range(2):
        net(mg.ones(3, 2)).sum().backward()
    assert gradients == [(3, 2)]


# -------------------------------------------------------------------------------------------------------------- state


def test_state_dict_shares_memory_outside_the_graph():
    net = nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    with mg.no_grad():
        net.weight += 1
    assert np.array_equal(state["weight"].numpy(), net.weight.detach().numpy())


@pytest.mark.parametrize("convert", [lambda x: x, lambda x: x.numpy().copy(), lambda x: x.numpy().astype(np.float64)])
def test_load_state_dict_writes_in_place(convert):
    source, target = Block(mg.Generator(1)), Block(mg.Generator(2))
    held = [(p, id(p.data)) for p in target.parameters()]
    assert not same(values(source), values(target))
    keys = target.load_state_dict({name: convert(x) for name, x in source.state_dict().items()})
    assert keys == ([], [])
    assert same(values(source), values(target))
    assert [(p, id(p.data)) for p in target.parameters()] == held
    assert target.scale.requires_grad
    source.inner.weight.data[...] = 0
    assert target.inner.weight.data.any()  # a copy


def test_load_state_dict_tells_everything_at_once_and_changes_nothing():
    block = Block()
    state = block.state_dict() | {
        "head.1.weight": mg.zeros(3, 2),
        "mean": mg.zeros(3, dtype=np.float16),  # fits
        "scael": mg.zeros(3),
        "inner.bias": [0.0, 0.0, 0.0],
        "scale": mg.full((3,), 7.0),
    }
    del state["inner.weight"]
    block.register_buffer("steps", mg.tensor([0]))
    state["steps"] = mg.tensor([0.5])
    before = values(block)
    with pytest.raises(nn.StateDictError) as caught:
        block.load_state_dict(state)
    message = str(caught.value)
    for part in (
        "does not fit Block, and nothing was changed",
        "inner.weight: missing",
        "scael: unexpected",
        "head.1.weight: expected shape (2, 3), got (3, 2)",
        "inner.bias: expected a Tensor or an array, got builtins.list",
        "steps: expected int64, got float32",
    ):
        assert part in message
    assert isinstance(caught.value, ValueError)
    assert same(values(block), before)
    with pytest.raises(nn.StateDictError, match="shape"):
        block.load_state_dict(state, strict=False)
    assert same(values(block), before)


def test_load_state_dict_suggests_the_name_that_was_meant():
    with pytest.raises(nn.StateDictError, match=r"wieght: unexpected in the state \(did you mean weight\?\)"):
        nn.Linear(2, 2).load_state_dict({"wieght": mg.zeros(2, 2), "bias": mg.zeros(2)})
    with pytest.raises(TypeError, match="expected a dict"):
        nn.Linear(2, 2).load_state_dict(nn.Linear(2, 2))


def test_load_state_dict_without_strict():
    net = nn.Linear(2, 2)
    keys = net.load_state_dict({"weight": mg.ones(2, 2), "other": mg.ones(1)}, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["other"]
    assert net.weight.tolist() == [[1, 1], [1, 1]]


def test_loading_dates_the_memory():
    """A graph that still needs the old weights refuses its backward instead of using the new ones."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    y = net(mg.ones(1, 2)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(mg.InplaceError, match="load_state_dict"):
        y.backward()


def test_loading_crosses_devices(device):
    host, away = nn.Linear(3, 2, rng=mg.Generator(1)), nn.Linear(3, 2, rng=mg.Generator(2), device=device)
    away.load_state_dict(host.state_dict())
    assert away.weight.device.startswith(device)
    assert same(values(away), values(host))
    host.load_state_dict(nn.Linear(3, 2, rng=mg.Generator(3), device=device).state_dict())
    assert same(values(host), values(nn.Linear(3, 2, rng=mg.Generator(3))))


# ------------------------------------------------------------------------------------------------------------- layers


def pair(torch, dtype=np.float64):
    """The same network here and in PyTorch."""
    ours = nn.Sequential(nn.Linear(5, 7, dtype=dtype), nn.Tanh(), nn.Linear(7, 4, bias=False, dtype=dtype), nn.ReLU())
    theirs = torch.nn.Sequential(
        torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 4, bias=False), torch.nn.ReLU()
    ).double()
    theirs.load_state_dict({name: torch.from_numpy(x) for name, x in values(ours).items()})
    return ours, theirs


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5)])
def test_linear_and_sequential_equal_pytorch(torch, shape):
    ours, theirs = pair(torch)
    x = np.random.default_rng(0).standard_normal(shape)
    g = np.random.default_rng(1).standard_normal((*shape[:-1], 4))
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ya, yb = ours(a), theirs(b)
    ya.backward(mg.tensor(g))
    yb.backward(torch.tensor(g))
    close = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), **close)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), **close)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), **close)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("Identity", {}, {}),
        ("ReLU", {}, {}),
        ("Sigmoid", {}, {}),
        ("Tanh", {}, {}),
        ("Softplus", {}, {}),
        ("Softmax", {}, {"dim": -1}),
        ("Softmax", {"axis": 0}, {"dim": 0}),
        ("LogSoftmax", {"axis": 1}, {"dim": 1}),
        ("Flatten", {}, {}),
        ("Flatten", {"start_axis": -3, "end_axis": 1}, {"start_dim": -3, "end_dim": 1}),
    ],
)
def test_layers_without_parameters_equal_pytorch(torch, name, ours, theirs):
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ya, yb = getattr(nn, name)(**ours)(a), getattr(torch.nn, name)(**theirs)(b)
    g = np.random.default_rng(1).standard_normal(yb.shape)
    ya.backward(mg.tensor(g))
    yb.backward(torch.tensor(g))
    np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["MSELoss", "CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss"])
def test_losses_equal_pytorch(torch, name, reduction):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.9, (4, 3))
    t = rng.integers(0, 3, 4) if name == "CrossEntropyLoss" else rng.uniform(0, 1, (4, 3))
    ours = getattr(nn, name)(reduction=reduction)(mg.tensor(x), mg.tensor(t))
    theirs = getattr(torch.nn, name)(reduction=reduction)(torch.tensor(x), torch.tensor(t))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-10)


def test_layers_compute_the_same_on_every_device(device):
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((4, 2, 3)), np.array([0, 1, 1, 0])

    def run(device):
        seed = mg.Generator(0)
        net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(6, 5, rng=seed, dtype="float64", device=device),
            nn.Softplus(),
            nn.Linear(5, 2, rng=seed, dtype="float64", device=device),
        )
        loss = nn.CrossEntropyLoss()(net(mg.tensor(x, device=device)), mg.tensor(t, device=device))
        loss.backward()
        return [loss.detach().numpy(), *(p.grad.numpy() for p in net.parameters())]

    for a, b in zip(run(device), run("cpu"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("layer", "shape", "cure"),
    [
        (nn.Linear(6, 2), (4, 2, 3), r"Flatten\(\)"),
        (nn.Linear(6, 2), (6, 4), r"did you mean x\.T\?"),
        (nn.Linear(6, 2), (4, 5), "in_features must be 5"),
        (nn.Linear(1, 2), (4,), r"x\.reshape\(-1, 1\)"),
        (nn.Linear(6, 2), (), ""),
    ],
)
def test_a_wrong_input_to_linear_names_layer_shapes_and_cure(layer, shape, cure):
    with pytest.raises(ShapeError) as caught:
        layer(mg.zeros(shape))
    message = str(caught.value)
    assert message.startswith(repr(layer))
    assert str(shape) in message
    assert str(layer.weight.shape) in message
    caught.match(cure)


def test_the_cures_of_linear_cure():
    x = mg.ones(4, 2, 3)
    assert nn.Sequential(nn.Flatten(), nn.Linear(6, 2))(x).shape == (4, 2)
    assert nn.Linear(6, 2)(mg.ones(6, 4).T).shape == (4, 2)
    assert nn.Linear(1, 2)(mg.ones(4).reshape(-1, 1)).shape == (4, 2)


def test_a_wrong_type_or_device_names_the_layer():
    with pytest.raises(TypeError, match=r"^Linear\(in_features=2, out_features=2, bias=True\): "):
        nn.Linear(2, 2)("text")
    with pytest.raises(TypeError, match=r"^Linear\(in_features=2.*devices"):
        nn.Linear(2, 2)(mg.ones(1, 2, device="standin"))


def test_linear_takes_arrays_and_lists():
    net = nn.Linear(2, 1)
    assert net([[1.0, 2.0]]).tolist() == net(np.array([[1.0, 2.0]], np.float32)).tolist()


def test_flatten_refuses_axes_that_are_not_there():
    assert nn.Flatten()(mg.ones(0, 2, 3)).shape == (0, 6)
    with pytest.raises(ShapeError, match=r"Flatten\(start_axis=1, end_axis=-1\): x of shape \(3,\)"):
        nn.Flatten()(mg.ones(3))
    with pytest.raises(ShapeError, match="no such axes"):
        nn.Flatten(2, 1)(mg.ones(2, 2, 2))


def test_sequential_is_like_a_list():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert len(net) == 3
    assert list(net) == [a, b, c]
    assert net[0] is a
    assert net[-1] is c
    tail = net[1:]
    assert list(tail) == [b, c]
    assert names(tail.named_children()) == ["1", "2"]
    assert list(tail.append(a)) == [b, c, a]
    net[1] = nn.Tanh()
    assert repr(net[1]) == "Tanh()"
    with pytest.raises(IndexError, match="layer 3 of a Sequential of 3 layers"):
        net[3]


def test_sequential_runs_a_layer_as_often_as_it_stands_there():
    class Increment(nn.Module):
        def forward(self, x):
            return x + 1

    layer = Increment()
    assert nn.Sequential(layer, layer, layer)(1) == 4
    assert nn.Sequential()(1) == 1


def test_sequential_takes_names():
    layers = {"hidden": nn.Linear(2, 3), "bend": nn.ReLU()}
    for net in (nn.Sequential(**layers), nn.Sequential(layers), nn.Sequential(OrderedDict(layers))):
        assert names(net.named_children()) == ["hidden", "bend"]
        assert net.hidden is layers["hidden"]
    for wrong, fix in (
        (nn.ReLU, r"did you mean ReLU\(\)\?"),
        ([nn.ReLU()], r"write \*"),
        (mg.relu, "must be a Module"),
    ):
        with pytest.raises(TypeError, match=fix):
            nn.Sequential(nn.Linear(2, 2), wrong)
    with pytest.raises(ValueError, match="already"):
        nn.Sequential(append=nn.ReLU())


def test_an_error_in_a_network_says_where():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Linear(4, 1)))
    with pytest.raises(ShapeError, match="in_features=4") as caught:
        net(mg.ones(1, 2))
    assert caught.value.__notes__ == ["  in layer 1 of Sequential: Linear", "  in layer 1 of Sequential: Sequential"]


# ---------------------------------------------------------------------------------------------------- initial weights


def test_linear_starts_as_in_pytorch(torch):
    net, theirs = nn.Linear(100, 300, rng=mg.Generator(0)), torch.nn.Linear(100, 300)
    for name in ("weight", "bias"):
        x, y = getattr(net, name), getattr(theirs, name)
        assert x.shape == tuple(y.shape)
        assert x.dtype == np.float32
        assert 0.09 < np.abs(x.detach().numpy()).max() <= np.float32(0.1)
        assert x.detach().numpy().std() == pytest.approx(0.1 / math.sqrt(3), rel=0.1)
        assert x.detach().numpy().std() == pytest.approx(y.detach().numpy().std(), rel=0.1)
    assert nn.Linear(0, 2).bias.tolist() == [0, 0]


SHAPES = [(60, 90), (20, 12, 3, 5)]
CALLS = {
    "uniform": {"a": -2.0, "b": 1.0},
    "normal": {"mean": 1.0, "std": 3.0},
    "xavier_uniform": {"gain": 2.0},
    "xavier_normal": {},
    "kaiming_uniform": {"a": 1.0, "mode": "fan_out"},
    "kaiming_normal": {"nonlinearity": "relu"},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CALLS)
def test_distributions_are_those_of_pytorch(torch, name, shape):
    drawn, expected = mg.zeros(shape, dtype=np.float64), torch.zeros(shape, dtype=torch.float64)
    assert getattr(init, name + "_")(drawn, **CALLS[name], rng=mg.Generator(0)) is drawn
    torch.manual_seed(0)
    getattr(torch.nn.init, name + "_")(expected, **CALLS[name])
    a, b = drawn.numpy(), expected.numpy()
    assert a.mean() == pytest.approx(b.mean(), abs=0.06 * b.std())
    assert a.std() == pytest.approx(b.std(), rel=0.04)
    if "uniform" in name:
        assert a.min() == pytest.approx(b.min(), rel=0.01)
        assert a.max() == pytest.approx(b.max(), rel=0.01)
    else:
        assert 3 < np.abs((a - a.mean()) / a.std()).max() < 6


@pytest.mark.parametrize(
    ("draw", "bound"),
    [
        (lambda x: init.xavier_uniform_(x, gain=0.5), 0.5 * math.sqrt(6 / (40 + 60))),
        (lambda x: init.kaiming_uniform_(x), math.sqrt(6 / 60)),
        (lambda x: init.kaiming_uniform_(x, nonlinearity="linear", mode="fan_out"), math.sqrt(3 / 40)),
    ],
)
def test_uniform_bounds(draw, bound):
    x = np.abs(draw(mg.zeros(40, 60, dtype=np.float64)).numpy())
    assert 0.99 * bound < x.max() <= bound


def test_gains_are_those_of_pytorch(torch):
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))
    with pytest.raises(ValueError, match="'gelu' is unknown; known: linear"):
        init.calculate_gain("gelu")


def test_a_seed_reproduces_every_bit(device):
    def start(device, dtype="float32"):
        return values(nn.Sequential(*(nn.Linear(4, 4, rng=rng, device=device, dtype=dtype) for _ in range(2))))

    for dtype in ("float16", "float32", "float64"):
        rng = mg.Generator(5)
        first = start("cpu", dtype)
        rng = mg.Generator(5)
        assert same(start(device, dtype), first)
        rng = mg.Generator(6)
        assert not same(start(device, dtype), first)
    assert not np.array_equal(first["0.weight"], first["1.weight"])


def test_the_default_generator_is_used_unless_another_is_given():
    mg.seed(3)
    a = values(nn.Linear(3, 3))
    mg.seed(3)
    nn.Linear(3, 3, rng=mg.Generator(0))  # draws nothing from it
    assert same(values(nn.Linear(3, 3)), a)


def test_a_float32_network_starts_as_its_float64_twin_rounded():
    wide, narrow = (nn.Linear(3, 3, rng=mg.Generator(0), dtype=dtype) for dtype in ("float64", "float32"))
    assert np.array_equal(wide.weight.detach().numpy().astype(np.float32), narrow.weight.detach().numpy())


def test_constants_are_written_in_place():
    net = nn.Linear(2, 2)
    data = net.weight.data
    assert init.zeros_(net.weight) is net.weight
    assert not data.any()
    init.ones_(net.weight)
    assert (data == 1).all()
    init.constant_(net.weight, 0.5)
    assert (data == 0.5).all()
    assert net.weight.requires_grad


def test_initialisers_refuse_what_they_cannot_start():
    with pytest.raises(ShapeError, match=r"\(3,\) has no fan_in"):
        init.xavier_uniform_(mg.zeros(3))
    with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', not 'fan'"):
        init.kaiming_normal_(mg.zeros(3, 3), mode="fan")
    with pytest.raises(TypeError, match="normal_: random numbers need a float dtype, not int64"):
        init.normal_(mg.tensor([1, 2]))
    assert init.kaiming_normal_(mg.zeros(3, 0)).shape == (3, 0)


# ------------------------------------------------------------------------------------------------------ the namespace


def test_functional_is_one_module_under_both_names():
    code = "import minigrad.nn.functional as F, minigrad; assert F is minigrad.functional is minigrad.nn.functional"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    assert nn.Parameter is mg.Parameter


def test_what_a_call_costs_beyond_forward():
    """Without hooks a call goes straight to forward: two frames, whatever the machine."""
    depth = []

    class Probe(nn.Module):
        def forward(self):
            frame = sys._getframe()
            while frame:
                depth.append(frame.f_code.co_name)
                frame = frame.f_back

    Probe()()
    assert depth[:3] == ["forward", "__call__", "test_what_a_call_costs_beyond_forward"]
