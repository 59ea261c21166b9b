"""Optimisers: each equals PyTorch's and its own definition, step by step; what is set reaches the steps; a step
allocates nothing and waits for no device; a state continues bit for bit; mistakes are named."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import InplaceError, nn, optim
from minigrad.optim import LBFGS, SGD, Adagrad, Adam, AdamW, RMSprop, adam_step, groups, l1_penalty, l2_penalty
from tests.standin import transfers

SHAPES = ((3, 4), (4,), ())

SGD_OPTIONS = [
    {"momentum": m, "dampening": d, "weight_decay": w, "nesterov": n}
    for m, d, w, n in itertools.product((0, 0.9), (0, 0.3), (0, 0.1), (False, True))
    if not n or (m and not d)
]
BETAS = ((0.9, 0.999), (0.5, 0.9), (0.0, 0.99), (0.9, 0.0))
ADAM_OPTIONS = [
    {"betas": betas, "eps": eps, "weight_decay": w}
    for betas, eps, w in itertools.product(BETAS, (1e-8, 1e-3), (0.0, 0.1))
]
ADAGRAD_OPTIONS = [
    {"lr_decay": d, "weight_decay": w, "initial_accumulator_value": r, "eps": e}
    for d, w, r, e in itertools.product((0, 0.2), (0, 0.1), (0, 0.5), (1e-10, 1e-2))
]
RMSPROP_OPTIONS = [
    {"alpha": a, "momentum": m, "centered": c, "weight_decay": w}
    for a, m, c, w in itertools.product((0.99, 0.5), (0, 0.9), (False, True), (0, 0.1))
]
CASES = [
    *(("SGD", options) for options in SGD_OPTIONS),
    *((name, options) for name in ("Adam", "AdamW") for options in ADAM_OPTIONS),
    *((name, {"amsgrad": True, "weight_decay": w}) for name in ("Adam", "AdamW") for w in (0.0, 0.1)),
    *(("Adagrad", options) for options in ADAGRAD_OPTIONS),
    *(("RMSprop", options) for options in RMSPROP_OPTIONS),
    ("RMSprop", {"eps": 1e-2, "centered": True}),
    *(
        (name, {"maximize": True, "weight_decay": w})
        for name in ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
        for w in (0, 0.1)
    ),
    ("SGD", {"maximize": True, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"maximize": True, "momentum": 0.9, "dampening": 0.3}),
]


def named(case):
    return "-".join(map(str, case.values())) if isinstance(case, dict) else str(case)


def parameters(dtype="float64", device="cpu", seed=0):
    rng = np.random.default_rng(seed)
    return [mg.tensor(rng.standard_normal(s), dtype=dtype, device=device, requires_grad=True) for s in SHAPES]


def set_gradients(tensors, step, seed=1):
    rng = np.random.default_rng((seed, step))
    for p in tensors:
        p.grad = mg.tensor(rng.standard_normal(p.shape), dtype=p.dtype, device=p.device)


def run(optimizer, tensors, steps):
    for step in steps:
        set_gradients(tensors, step)
        optimizer.step()
    return [p.detach().to("cpu").numpy().copy() for p in tensors]


# ------------------------------------------------------------------------------------------------------ the mathematics


class Twins:
    """The same parameters, gradients and options for minigrad and PyTorch."""

    def __init__(self, name, options, dtype):
        torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
        self.ours = parameters(dtype)
        self.theirs = [torch.tensor(p.data, requires_grad=True) for p in self.ours]
        self.tensor = torch.tensor
        self.optimizers = [
            getattr(module, name)([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.02}], lr=0.1, **options)
            for module, ps in ((optim, self.ours), (torch.optim, self.theirs))
        ]

    def set(self, option, value):
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group[option] = value

    def step(self, rng, without=()):
        for i, (x, y) in enumerate(zip(self.ours, self.theirs)):
            g = np.asarray(rng.standard_normal(x.shape), x.dtype)
            x.grad = None if i in without else mg.tensor(g)
            y.grad = None if i in without else self.tensor(g)
        for optimizer in self.optimizers:
            optimizer.step()

    def check(self, tolerance):
        for x, y in zip(self.ours, self.theirs):
            np.testing.assert_allclose(x.data, y.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 5e-5)])
@pytest.mark.parametrize(("name", "options"), CASES, ids=named)
def test_fifty_steps_equal_pytorch(name, options, dtype, tolerance):
    """With two groups, a gradient that is missing now and then or comes late, and a new learning rate on the way."""
    twins, rng = Twins(name, options, dtype), np.random.default_rng(1)
    for step in range(50):
        if step == 25:
            twins.set("lr", 0.03)
        twins.step(rng, without=[i for i in range(3) if (step + i) % 5 == 4 or (i == 2 and step < 3)])
        twins.check(tolerance)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("SGD", "momentum", 0.5),
        ("SGD", "weight_decay", 0.2),
        ("SGD", "dampening", 0.5),
        ("Adam", "betas", (0.5, 0.99)),
        ("Adam", "eps", 1e-2),
        ("AdamW", "betas", (0.95, 0.9)),
        ("AdamW", "weight_decay", 0.3),
        ("AMSGrad", "betas", (0.5, 0.99)),
        ("Adagrad", "lr_decay", 0.1),
        ("RMSprop", "alpha", 0.5),
    ],
)
def test_an_option_that_changes_on_the_way_equals_pytorch(name, option, value):
    options = {"SGD": {"momentum": 0.9}, "AMSGrad": {"amsgrad": True}}.get(name, {})
    twins, rng = Twins(name.replace("AMSGrad", "Adam"), options, "float64"), np.random.default_rng(1)
    for step in range(12):
        if step == 6:
            twins.set(option, value)
        twins.step(rng)
        twins.check(1e-12)


@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=named)
def test_adam_equals_its_definition(options):
    options = options | {"weight_decay": 0.0}
    tensors = parameters()
    optimizer = Adam(tensors, lr=0.05, **options)
    expected = [(p.data.copy(), np.zeros(p.shape), np.zeros(p.shape)) for p in tensors]
    for t in range(1, 30):
        set_gradients(tensors, t)
        expected = [
            adam_step(np, p, tensor.grad.data, m, v, t, 0.05, *options["betas"], options["eps"])
            for tensor, (p, m, v) in zip(tensors, expected)
        ]
        optimizer.step()
        for tensor, (p, _, _) in zip(tensors, expected):
            np.testing.assert_allclose(tensor.data, p, rtol=1e-13, atol=1e-14)


def one_step(rule, x, g, **options):
    p = mg.tensor(x, dtype="float64", requires_grad=True)
    p.grad = mg.tensor(g, dtype="float64")
    rule([p], **options).step()
    return p.tolist()


def test_steps_by_hand():
    assert one_step(SGD, [1.0, 2.0], [-2.0, -3.0], lr=0.01) == pytest.approx([1.02, 2.03], abs=1e-15)
    assert one_step(SGD, [1.0], [2.0], lr=0.1, weight_decay=0.5) == pytest.approx([1 - 0.1 * 2.5], abs=1e-15)
    assert one_step(SGD, [1.0], [2.0], lr=0.1, momentum=0.9, dampening=0.5) == pytest.approx([0.8], abs=1e-15)
    assert one_step(SGD, [1.0], [2.0], lr=0.1, momentum=0.9, nesterov=True) == pytest.approx([0.62], abs=1e-15)
    assert one_step(Adam, [1.0, 2.0], [-2.0, -3.0], lr=0.01) == pytest.approx([1.01, 2.01], abs=1e-9)
    assert one_step(AdamW, [1.0], [3.0], lr=0.1, weight_decay=0.5) == pytest.approx([1 * 0.95 - 0.1], abs=1e-9)
    assert one_step(Adagrad, [1.0], [3.0], lr=0.1, initial_accumulator_value=7) == pytest.approx([1 - 0.3 / 4])
    assert one_step(RMSprop, [1.0], [3.0], lr=0.1, alpha=0.75) == pytest.approx([1 - 0.1 * 3 / 1.5])
    assert one_step(RMSprop, [1.0], [3.0], lr=0.1, alpha=0.75, centered=True) == pytest.approx(
        [1 - 0.3 / np.sqrt(9 / 4 - 9 / 16)]
    )
    assert one_step(SGD, [1.0], [2.0], lr=0.1, maximize=True) == pytest.approx([1.2])


def test_adam_counts_the_steps_of_each_parameter():
    """The first step of Adam is lr · sign g, whenever it comes."""
    a, b = mg.tensor([0.0], requires_grad=True), mg.tensor([0.0], requires_grad=True)
    optimizer = Adam([a, b], lr=0.1)
    for _ in range(5):
        a.grad = mg.tensor([1.0])
        optimizer.step()
    assert b.item() == 0
    b.grad = mg.tensor([-7.0])
    optimizer.step()
    assert b.item() == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.99999])
def test_the_first_steps_keep_their_digits_in_float32(beta):
    """1 − β² is small: computed as it stands, it would lose three digits and more."""
    p = mg.tensor([0.0], requires_grad=True)
    optimizer = Adam([p], lr=1.0, betas=(0.0, beta), eps=0.0)
    for g in (1.0, 3.0):
        p.grad = mg.tensor([g])
        before = p.item()
        optimizer.step()
    v_hat = (beta + 9) / (1 + beta)  # (β (1 − β) 1² + (1 − β) 3²) / (1 − β²)
    assert before - p.item() == pytest.approx(3 / np.sqrt(v_hat), rel=2e-6)


def test_float16_parameters_learn_from_small_gradients():
    """The square of 1e-5 is 0 in float16, and 0.001 + 1e-8 is 0.001."""
    p = mg.tensor([1.0, 1.0], dtype="float16", requires_grad=True)
    optimizer = Adam([p], lr=0.25)
    for _ in range(2):
        p.grad = mg.tensor([1e-5, -1e-5], dtype="float16")
        optimizer.step()
    assert p.dtype == np.float16
    np.testing.assert_allclose(p.data, [0.5, 1.5], atol=2e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: SGD(ps, lr=0.1),
        lambda ps: SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
        lambda ps: Adam(ps, lr=0.05),
        lambda ps: AdamW(ps, lr=0.05),
        lambda ps: Adagrad(ps, lr=0.5),
        lambda ps: RMSprop(ps, lr=0.01, momentum=0.5),
    ],
    ids=["sgd", "nesterov", "adam", "adamw", "adagrad", "rmsprop"],
)
def test_a_line_is_found(make):
    rng = mg.Generator(0)
    x = mg.randn(64, 3, generator=rng)
    y = x @ mg.tensor([[1.0], [-2.0], [0.5]]) + 3
    model = nn.Linear(3, 1, rng=rng)
    optimizer = make(model.parameters())
    for _ in range(300):
        optimizer.zero_grad()
        loss = mg.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3
    np.testing.assert_allclose(model.weight.detach().numpy(), [[1, -2, 0.5]], atol=0.05)
    np.testing.assert_allclose(model.bias.detach().numpy(), [3], atol=0.05)


# -------------------------------------------------------------------------------------------------- where, at what cost

RULES = {
    "sgd": lambda ps: SGD(ps, lr=0.1),
    "sgd-all": lambda ps: SGD(ps, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    "nesterov": lambda ps: SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda ps: Adam(ps, lr=0.01, weight_decay=0.1),
    "adamw": lambda ps: AdamW(ps, lr=0.01),
    "amsgrad": lambda ps: Adam(ps, lr=0.01, amsgrad=True, maximize=True),
    "adagrad": lambda ps: Adagrad(ps, lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.3),
    "rmsprop": lambda ps: RMSprop(ps, lr=0.01, momentum=0.9, centered=True, weight_decay=0.1),
}


@pytest.fixture(params=RULES, ids=str)
def rule(request):
    return RULES[request.param]


def test_every_device_gives_the_same(rule, device):
    expected = run(rule(here := parameters("float32")), here, range(5))
    there = parameters("float32", device)
    tolerance = 1e-5 if device == "cuda" else 0  # a GPU rounds square roots and divisions in its own way
    for x, y in zip(expected, run(rule(there), there, range(5))):
        np.testing.assert_allclose(y, x, rtol=tolerance, atol=tolerance)


def test_a_step_moves_nothing_between_host_and_device(rule):
    tensors = parameters("float32", "standin")
    optimizer = rule(tensors)
    for step in range(3):
        set_gradients(tensors, step)
        with transfers.counting() as moved:
            optimizer.lr = 0.1 / (step + 1)
            optimizer.step()
        assert (moved.to_device, moved.to_host, moved.synchronizations) == (0, 0, 0)


def test_a_step_allocates_no_arrays(rule):
    tensors = [mg.zeros(1000, 100, requires_grad=True) for _ in range(2)]
    for p in tensors:
        p.grad = mg.ones(1000, 100)
    optimizer = rule(tensors)
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < tensors[0].nbytes / 10


# ------------------------------------------------------------------------------------------- large parameters in pieces

LARGE, MIDDLE = (3, 50_021), (3, 421)  # four pieces and a part of a fifth, of 128 KB and of 1 KB in float32


def large_run(rule, monkeypatch, whole, way, device="cpu", dtype="float32"):
    """The parameters and the kept arrays after some steps, with things happening to the first, large one (for a rule
    that takes few numbers at a time); and the pieces that it came in."""
    monkeypatch.setattr(groups, "PIECE", 1 << 40 if whole else 1024)
    rng = np.random.default_rng(0)
    tensors = [
        mg.tensor(rng.standard_normal(s), dtype=dtype, device=device, requires_grad=True) for s in (MIDDLE, (5,))
    ]
    optimizer, pieces = rule(tensors), set()
    for step in range(6):
        optimizer, tensors = way(step, optimizer, tensors) or (optimizer, tensors)
        for p in tensors:
            p.grad = mg.tensor(rng.standard_normal(p.shape), dtype=p.dtype, device=p.device)
        if way is strided and step % 2:
            tensors[0].grad = mg.tensor(np.broadcast_to(np.asarray(step, dtype), MIDDLE))
        optimizer.step()
        pieces.add(len(optimizer.param_groups[0].slots[0].pieces or ()))
    state = optimizer.state_dict()["state"]
    found = [*tensors, *(x for kept in state.values() for x in kept.values())]
    return [p.detach().to("cpu").numpy() for p in found], pieces


def quiet(step, optimizer, tensors):
    """Nothing happens."""


def strided(step, optimizer, tensors):
    """The parameter is re-pointed to memory in another order, and back; the gradients of some steps are broadcast."""
    order = "F" if step in (2, 3) else "C"
    tensors[0].data = np.array(tensors[0].data, order=order)


def rescheduled(step, optimizer, tensors):
    optimizer.lr = 0.1 / (step + 1)


def stirred(step, optimizer, tensors):
    """Options that call for more arrays, and for others."""
    group = optimizer.param_groups[0]
    for name, value in {"momentum": (0, 0.5)[step % 2], "amsgrad": step > 2, "centered": step > 1}.items():
        if name in group and not (name == "momentum" and group.get("nesterov")):
            group[name] = value


def copied(step, optimizer, tensors):
    if step in (2, 4):
        optimizer, tensors = (
            copy.deepcopy((optimizer, tensors)) if step == 2 else pickle.loads(pickle.dumps((optimizer, tensors)))
        )
        return optimizer, tensors


def loaded(step, optimizer, tensors):
    """A state comes back after it was emptied; what was kept before is kept no more."""
    state = optimizer.state_dict()
    if step == 2:
        optimizer.load_state_dict({**state, "state": {}})
    if step in (2, 4):
        optimizer.load_state_dict(state)
    if step == 3:
        optimizer.load_state_dict({**state, "state": {}})


@pytest.mark.parametrize("way", [quiet, strided, rescheduled, stirred, copied, loaded], ids=lambda way: way.__name__)
def test_pieces_give_what_the_whole_gives(rule, way, monkeypatch):
    expected, one = large_run(rule, monkeypatch, True, way)
    found, pieces = large_run(rule, monkeypatch, False, way)
    assert one == {0}
    assert 5 in pieces
    assert len(found) == len(expected) >= 4
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_pieces_of_other_dtypes(rule, dtype, monkeypatch):
    expected, _ = large_run(rule, monkeypatch, True, quiet, dtype=dtype)
    found, pieces = large_run(rule, monkeypatch, False, quiet, dtype=dtype)
    assert pieces == {5 if dtype == "float16" else 10}  # state and scratch of float16 are float32
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_device_takes_large_parameters_whole(rule, device, monkeypatch):
    expected, _ = large_run(rule, monkeypatch, True, quiet)
    found, pieces = large_run(rule, monkeypatch, False, quiet, device)
    assert pieces == {5 if device == "cpu" else 0}
    tolerance = 1e-5 if device == "cuda" else 0
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def test_a_rule_that_looks_at_the_whole_gets_the_whole():
    class Normalised(optim.Optimizer):
        """θ ← θ − η g / ‖g‖"""

        OPTIONS = ("lr",)
        checked = staticmethod(lambda **options: options)
        numbers = staticmethod(lambda options: options)
        kept = staticmethod(lambda options: {})

        def update(self, options, family, ready):
            for _, p, g in ready:
                p -= family.o.lr * g / np.sqrt((g * g).sum())

    w = mg.zeros(*LARGE, requires_grad=True)
    w.grad = mg.ones(*LARGE)
    Normalised([w], lr=1.0).step()
    assert np.linalg.norm(w.data.astype(float)) == pytest.approx(1)


def test_scratch_is_as_long_as_a_piece_until_a_whole_parameter_needs_more(rule):
    w = mg.zeros(*LARGE, requires_grad=True)
    w.grad = mg.ones(*LARGE)
    optimizer = rule([w])
    optimizer.step()
    (family,) = optimizer.param_groups[0].families
    assert family.scratch.nbytes == family.rule.SCRATCH * groups.PIECE
    w.grad = mg.tensor(np.asfortranarray(w.grad.data))
    optimizer.step()
    assert family.scratch.nbytes == family.rule.SCRATCH * w.data.nbytes


def test_pieces_are_made_once():
    w = mg.zeros(*LARGE, requires_grad=True)
    optimizer = Adam([w])
    pieces = []
    for step in range(3):
        w.grad = mg.ones(*LARGE)
        optimizer.lr = 0.1 / (step + 1)
        optimizer.step()
        pieces.append(optimizer.param_groups[0].slots[0].pieces)
    assert pieces[0] is pieces[1] is pieces[2]


def test_a_large_parameter_that_became_another_one_is_not_changed_in_part():
    w = mg.zeros(*LARGE, requires_grad=True)
    sgd, adam = SGD([w], lr=1.0), Adam([w], lr=1.0)
    w.grad = mg.ones(*LARGE)
    sgd.step()
    adam.step()
    w.data = np.zeros((5, *LARGE), np.float32)
    w.grad = mg.ones(5, *LARGE)
    sgd.step()
    np.testing.assert_array_equal(w.data, -1)
    for shape in ((5, *LARGE), LARGE[::-1]):
        w.data, w.grad = np.zeros(shape, np.float32), mg.ones(*shape)
        with pytest.raises(ValueError, match="broadcast"):
            adam.step()  # whose arrays do not fit


def test_a_graph_that_needs_a_large_parameter_refuses(rule):
    w = mg.ones(*LARGE, requires_grad=True)
    loss = (w * w).sum()
    loss.backward(keep_graph=True)
    rule([w]).step()
    with pytest.raises(InplaceError, match="multiply needs the value"):
        loss.backward()


def test_parameters_change_in_place_and_gradients_stay(rule):
    tensors = parameters()
    set_gradients(tensors, 0)
    before = [(p.data, p.data.copy(), p.grad, p.grad.data.copy()) for p in tensors]
    rule(tensors).step()
    for p, (array, old, gradient, values) in zip(tensors, before):
        assert p.data is array
        assert (p.data != old).all()
        assert p.grad is gradient
        np.testing.assert_array_equal(p.grad.data, values)


def test_a_graph_that_needs_the_old_value_refuses(rule):
    w = mg.tensor([2.0, 3.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward(keep_graph=True)
    optimizer = rule([w])
    optimizer.step()
    with pytest.raises(InplaceError, match=rf"multiply needs the value .* {type(optimizer).__name__}\.step"):
        loss.backward()


def test_a_graph_that_does_not_need_it_goes_on():
    w = mg.tensor([2.0, 3.0], requires_grad=True)
    loss = (w * mg.tensor([1.0, 4.0])).sum()
    loss.backward(keep_graph=True)
    SGD([w], lr=0.1).step()
    w.grad = None
    loss.backward()
    assert w.grad.tolist() == [1, 4]


def test_what_has_no_gradient_stays():
    a, b = parameters()[:2]
    before = a.data.copy(), b.data.copy()
    optimizer = Adam([a, b], lr=0.1, weight_decay=0.5)
    with pytest.warns(UserWarning, match="none of the 2 parameters has a gradient"):
        optimizer.step()
    b.grad = mg.ones_like(b)
    a.grad = mg.ones_like(a)
    a.requires_grad = False
    optimizer.step()
    np.testing.assert_array_equal(a.data, before[0])
    assert (b.data != before[1]).all()


def test_zero_grad_forgets():
    tensors = parameters()
    set_gradients(tensors[:2], 0)
    SGD(tensors).zero_grad()
    assert [p.grad for p in tensors] == [None, None, None]


def test_parameters_of_several_dtypes_share_a_group():
    a = mg.tensor([1.0], dtype="float32", requires_grad=True)
    b = mg.tensor([1.0], dtype="float64", requires_grad=True)
    a.grad, b.grad = mg.tensor([1.0]), mg.tensor([1.0], dtype="float64")
    Adam([a, b], lr=1 / 3).step()
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    assert b.item() == pytest.approx(2 / 3, rel=1e-7)
    assert a.item() == pytest.approx(2 / 3, rel=1e-6)


def test_an_optimiser_leaves_no_circle_behind(rule):
    gc.collect()
    gc.disable()
    try:
        tensors = parameters()
        optimizer = rule(tensors)
        run(optimizer, tensors, range(2))
        gone = weakref.ref(optimizer), weakref.ref(tensors[0])
        del optimizer, tensors
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


# -------------------------------------------------------------------------------------------------------------- options


def test_the_learning_rate_is_set_with_plain_numbers():
    p = mg.tensor([0.0], dtype="float64", requires_grad=True)
    optimizer = SGD([p], lr=1)
    p.grad = mg.tensor([-1.0], dtype="float64")
    for rate, total in ((0.5, 0.5), (np.float32(0.25), 0.75), (2, 2.75)):
        optimizer.lr = rate
        optimizer.step()
        assert p.item() == total
        assert optimizer.lr == optimizer.param_groups[0]["lr"] == rate
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    optimizer.param_groups[0].update(lr=1.0)
    optimizer.step()
    assert p.item() == 4


def test_a_number_is_written_into_the_array_that_the_steps_read():
    """So that a step which was recorded once goes by it too."""
    tensors = parameters()
    optimizer = AdamW(tensors, lr=0.1)
    run(optimizer, tensors, range(1))
    numbers = optimizer.param_groups[0].families[0].o
    rate, shrink = numbers.lr, numbers.shrink
    optimizer.lr = 0.5
    assert numbers.lr is rate
    assert (rate.shape, rate.dtype, rate.item(), shrink.item()) == ((), np.float64, 0.5, 0.995)


def test_groups_have_options_of_their_own():
    a, b, c = (mg.tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": iter([c]), "weight_decay": 1.0})
    for p in (a, b, c):
        p.grad = mg.tensor([1.0])
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [0.75, 0.5, 0.5]
    with pytest.raises(ValueError, match=r"different learning rates \[0.25, 0.5\]"):
        optimizer.lr  # noqa: B018
    optimizer.lr = 0.125
    assert [group["lr"] for group in optimizer.param_groups] == [0.125] * 3
    assert repr(optimizer).startswith("SGD(1 parameters, lr=0.125, momentum=0.0")


DEFAULTS = [
    (SGD, {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}),
    (
        Adam,
        ADAM := {
            "lr": 1e-3,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": 0,
            "amsgrad": False,
            "maximize": False,
        },
    ),
    (AdamW, ADAM | {"weight_decay": 1e-2}),
    (
        Adagrad,
        {"lr": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10, "maximize": False},
    ),
    (
        RMSprop,
        {
            "lr": 1e-2,
            "alpha": 0.99,
            "eps": 1e-8,
            "weight_decay": 0,
            "momentum": 0,
            "centered": False,
            "maximize": False,
        },
    ),
]


@pytest.mark.parametrize(("kind", "defaults"), DEFAULTS)
def test_defaults_are_pytorchs(kind, defaults):
    assert kind(parameters()).param_groups[0].options == defaults
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    theirs = getattr(torch.optim, kind.__name__)([torch.zeros(1, requires_grad=True)]).defaults
    assert {name: theirs[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    ("kind", "options", "error", "words"),
    [
        (SGD, {"lr": -0.1}, ValueError, "SGD: lr must be at least 0, not -0.1"),
        (SGD, {"lr": float("nan")}, ValueError, "SGD: lr must be at least 0, not nan"),
        (SGD, {"lr": "0.1"}, TypeError, "SGD: lr is a plain number, not a str"),
        (SGD, {"lr": True}, TypeError, "SGD: lr is a plain number, not a bool"),
        (Adam, {"lr": mg.tensor(0.1)}, TypeError, "Adam: lr is a plain number, not a Tensor"),
        (SGD, {"momentum": -1}, ValueError, "momentum must be at least 0"),
        (SGD, {"weight_decay": -1}, ValueError, "weight_decay must be at least 0"),
        (SGD, {"dampening": float("inf")}, ValueError, "dampening must be finite"),
        (SGD, {"nesterov": True}, ValueError, "nesterov needs a momentum above 0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "no dampening"),
        (Adam, {"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be at least 0 and below 1, not 1.0"),
        (Adam, {"betas": 0.9}, ValueError, "betas are two numbers"),
        (AdamW, {"eps": -1e-8}, ValueError, "AdamW: eps must be at least 0"),
        (Adam, {"amsgrad": 1}, TypeError, "Adam: amsgrad is True or False, not 1"),
        (Adagrad, {"lr_decay": -1}, ValueError, "Adagrad: lr_decay must be at least 0, not -1"),
        (RMSprop, {"alpha": 1.0}, ValueError, "RMSprop: alpha must be at least 0 and below 1, not 1.0"),
        (RMSprop, {"centered": None}, TypeError, "RMSprop: centered is True or False, not None"),
        (LBFGS, {"max_iter": 0}, ValueError, "LBFGS: max_iter must be a whole number of at least 1, not 0"),
        (LBFGS, {"history_size": 2.5}, ValueError, "history_size must be a whole number of at least 1, not 2.5"),
        (LBFGS, {"line_search_fn": "wolfe"}, ValueError, "line_search_fn is 'strong_wolfe' or None, not 'wolfe'"),
        (LBFGS, {"tolerance_grad": -1}, ValueError, "tolerance_grad must be at least 0"),
    ],
)
def test_options_that_make_no_sense(kind, options, error, words):
    with pytest.raises(error, match=words):
        kind(parameters(), **options)
    optimizer = kind(parameters())
    (name, value), *others = options.items()
    if not others:
        before = optimizer.param_groups[0].options
        with pytest.raises(error, match=words):
            optimizer.param_groups[0][name] = value
        assert optimizer.param_groups[0].options == before


def test_unknown_options():
    optimizer = Adam(parameters())
    with pytest.raises(KeyError, match="Adam has no option 'learning_rate'; its options are lr, betas"):
        optimizer.param_groups[0]["learning_rate"] = 0.1
    with pytest.raises(KeyError, match="Adam has no option 'momentum'"):
        Adam([{"params": parameters(), "momentum": 0.9}])
    with pytest.raises(TypeError, match="parameters of a group are fixed"):
        optimizer.param_groups[0]["params"] = []


# ----------------------------------------------------------------------------------------------------- wrong parameters

model = nn.Linear(2, 2)
w = mg.ones(2, 2, requires_grad=True)


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (model.parameters, TypeError, r"the function parameters itself; call it: add \(\)"),
        (model, TypeError, r"got a Linear; hand in its parameters\(\)"),
        (w, TypeError, "a single tensor; put it into a list"),
        (3, TypeError, "expected an iterable of tensors, got a int"),
        ({w}, TypeError, "a set, which has no order"),
        ({"params": [w]}, TypeError, "put it into a list"),
        ([], ValueError, "no parameters"),
        (iter(()), ValueError, "no parameters"),
        ([{"params": []}], ValueError, "no parameters"),
        ([{"lr": 0.1}], TypeError, "with the key 'params'"),
        ([{"params": [w]}, w], TypeError, "parameter 0 is a dict, not a Tensor"),
        ([w, w], ValueError, r"parameter 1 of shape \(2, 2\) was given twice"),
        ([{"params": [w]}, {"params": [w]}], ValueError, "given twice"),
        ([w, np.ones(3)], TypeError, "parameter 1 is a ndarray, not a Tensor"),
        ([mg.ones(3)], ValueError, r"parameter 0 of shape \(3,\) does not require gradients.*requires_grad=True"),
        ([w, mg.ones(3)], ValueError, r"parameter 1 of shape \(3,\) does not require gradients.*requires_grad=True"),
        ([w, mg.Parameter([1], requires_grad=False)], ValueError, "parameter 1 of shape .* does not require gradients"),
        ([w * 2], ValueError, "is the result of multiply, not a leaf"),
        (model.named_parameters(), TypeError, r"use parameters\(\), not named_parameters\(\)"),
    ],
)
def test_wrong_parameters(params, error, words):
    with pytest.raises(error, match=words):
        SGD(params, lr=0.1)


def test_a_parameter_that_moved_after_the_first_step():
    p = mg.tensor([1.0], requires_grad=True)
    layer = nn.Linear(1, 1)
    for target in ("standin", "float64"):
        layer = nn.Linear(1, 1)
        optimizer = SGD(layer.parameters(), lr=0.1)
        layer(mg.ones(1, 1)).sum().backward()
        optimizer.step()
        layer.to(target)
        with pytest.raises(RuntimeError, match=r"SGD.step: a parameter of shape \(1, 1\) was moved or cast"):
            optimizer.step()
    optimizer = SGD([p], lr=0.5)  # before the first step everything may move
    p.data = p.data.astype("float64")
    p.node.dtype = p.data.dtype
    p.grad = mg.tensor([1.0], dtype="float64")
    optimizer.step()
    assert p.item() == 0.5


# ---------------------------------------------------------------------------------------------------------------- state


def test_a_state_continues_bit_for_bit(rule):
    tensors = parameters("float32")
    optimizer = rule(tensors)
    run(optimizer, tensors, range(4))
    optimizer.lr = 0.07
    state, values = optimizer.state_dict(), [p.data.copy() for p in tensors]
    expected = run(optimizer, tensors, range(4, 8))

    others = [mg.tensor(x, requires_grad=True) for x in values]
    fresh = rule(others)
    for _ in range(2):  # into an optimiser before its first step, and into one after some
        fresh.load_state_dict(state)
        for p, x in zip(others, values):
            p.data[...] = x
        for x, y in zip(expected, run(fresh, others, range(4, 8))):
            np.testing.assert_array_equal(x, y)
    assert fresh.lr == 0.07


def test_the_state_of_the_beginning_is_empty(rule):
    tensors = parameters()
    optimizer = rule(tensors)
    beginning, values = optimizer.state_dict(), [p.data.copy() for p in tensors]
    assert beginning["state"] == {}
    expected = run(optimizer, tensors, range(3))
    optimizer.load_state_dict(beginning)
    for p, x in zip(tensors, values):
        p.data[...] = x
    for x, y in zip(expected, run(optimizer, tensors, range(3))):
        np.testing.assert_array_equal(x, y)


def test_a_state_is_a_copy():
    tensors = parameters()
    optimizer = SGD(tensors, lr=0.1, momentum=0.9)
    run(optimizer, tensors, range(2))
    state = optimizer.state_dict()
    kept = state["state"][0]["momentum_buffer"].numpy().copy()
    run(optimizer, tensors, range(2, 4))
    np.testing.assert_array_equal(state["state"][0]["momentum_buffer"].numpy(), kept)
    assert state["param_groups"][0]["params"] == [0, 1, 2]
    assert state["state"][2]["step"].item() == 2


def test_a_state_moves_to_another_device():
    here, there = parameters("float32"), parameters("float32", "standin")
    first, second = Adam(here), Adam(there)
    run(first, here, range(3))
    run(second, there, range(10, 13))
    for p, x in zip(there, here):
        p.data[...] = x.detach().to("standin").data
    second.load_state_dict(first.state_dict())
    expected = run(first, here, range(3, 5))
    for x, y in zip(expected, run(second, there, range(3, 5))):
        np.testing.assert_array_equal(x, y)


def test_every_misfit_is_named_and_nothing_changes():
    tensors = parameters()
    optimizer = Adam([{"params": tensors[:2]}, {"params": tensors[2:], "lr": 0.5}])
    run(optimizer, tensors, range(2))
    before = optimizer.state_dict()
    state = optimizer.state_dict()
    state["param_groups"][0] |= {"lr": -1, "params": [0]}
    del state["param_groups"][1]["eps"]
    state["state"][0]["m_sum"] = mg.zeros(7)
    del state["state"][1]["v_sum"]
    state["state"][9] = {}
    with pytest.raises(ValueError, match="load_state_dict") as error:
        optimizer.load_state_dict(state)
    told = str(error.value)
    for words in (
        "group 0: 1 parameters are given, it has 2",
        "group 0: Adam: lr must be at least 0, not -1",
        "group 1: the options eps are missing",
        "state 0: m_sum has shape (7,), expected (3, 4)",
        "state 1: expected step, m_sum, v_sum; got step, m_sum",
        "state 9: there is no such parameter",
    ):
        assert words in told
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for i, entries in before["state"].items():
        for name, value in entries.items():
            np.testing.assert_array_equal(after["state"][i][name].numpy(), value.numpy())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "expected what state_dict"),
        ([], "expected what state_dict"),
        ({"state": {}, "param_groups": []}, "0 parameter groups are given, the optimiser has 1"),
    ],
)
def test_no_state_at_all(state, words):
    with pytest.raises(ValueError, match=words):
        SGD(parameters()).load_state_dict(state)


def test_a_state_of_another_rule():
    with pytest.raises(ValueError, match="SGD has no option 'amsgrad', 'betas', 'eps'"):
        SGD(parameters()).load_state_dict(Adam(parameters()).state_dict())


def test_the_base_has_no_rule():
    for call in (optim.Optimizer.checked, lambda: optim.Optimizer.numbers({}), lambda: optim.Optimizer.kept({})):
        with pytest.raises(NotImplementedError):
            call()


def test_the_options_of_a_state_are_json(rule):
    tensors = parameters()
    optimizer = rule(tensors)
    run(optimizer, tensors, range(2))
    state = optimizer.state_dict()
    groups = json.loads(json.dumps(state["param_groups"], allow_nan=False))
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
    assert optimizer.state_dict()["param_groups"] == state["param_groups"]


# ---------------------------------------------------------------------------------------------- what is special in each


def test_centered_rmsprop_of_a_constant_gradient_stays_finite():
    """v and ḡ² are then equal but for rounding, and their difference may come out below 0."""
    p = mg.tensor([0.0], requires_grad=True)
    optimizer = RMSprop([p], lr=1e-3, alpha=0.5, centered=True)
    for _ in range(100):
        p.grad = mg.tensor([0.3])
        optimizer.step()
    assert np.isfinite(p.item())
    assert p.item() < 0


def test_step_calls_a_closure(rule):
    tensors = parameters()
    optimizer = rule(tensors)
    expected = rule(others := parameters())

    def closure():
        optimizer.zero_grad()
        loss = sum((p * p).sum() for p in tensors)
        loss.backward()
        return loss

    with mg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == pytest.approx(sum((p.data**2).sum() for p in others))
    for p in others:
        p.grad = mg.tensor(2 * p.data)
    assert expected.step() is None
    for p, q in zip(tensors, others):
        np.testing.assert_array_equal(p.data, q.data)


# ------------------------------------------------------------------------------------------------------------- freezing


def bits(module):
    return [p.data.tobytes() for p in module.parameters()]


def learn(model, optimizer, steps=3):
    x = mg.randn(8, 4, generator=mg.Generator(1))
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()


def network(device="cpu"):
    rng = mg.Generator(0)
    backbone, head = nn.Linear(4, 5, rng=rng), nn.Linear(5, 2, rng=rng)
    return backbone, head, nn.Sequential(backbone, nn.Tanh(), head).to(device)


def test_a_frozen_backbone_stays_and_learns_when_it_thaws(rule):
    backbone, head, model = network()
    backbone.requires_grad_(False)
    optimizer = rule(model.parameters())
    before = bits(backbone), bits(head)
    learn(model, optimizer)
    assert bits(backbone) == before[0]
    assert all(x != y for x, y in zip(bits(head), before[1]))
    state = optimizer.state_dict()
    assert sorted(state["state"]) == [2, 3]  # a frozen parameter costs no memory

    backbone.requires_grad_()
    learn(model, optimizer)
    assert all(x != y for x, y in zip(bits(backbone), before[0]))
    assert sorted(optimizer.state_dict()["state"]) == [0, 1, 2, 3]
    optimizer.load_state_dict(state)
    assert sorted(optimizer.state_dict()["state"]) == [2, 3]


def test_a_backbone_joins_with_a_smaller_rate():
    backbone, head, model = network()
    backbone.requires_grad_(False)
    optimizer = SGD(head.parameters(), lr=0.1)
    learn(model, optimizer)
    before = [p.data.copy() for p in backbone.parameters()]
    optimizer.add_param_group({"params": backbone.parameters(), "lr": 0.001})  # frozen still
    learn(model, optimizer)
    for p, x in zip(backbone.parameters(), before):
        np.testing.assert_array_equal(p.data, x)
    backbone.requires_grad_()
    learn(model, optimizer, steps=1)
    for p, x in zip(backbone.parameters(), before):
        np.testing.assert_allclose(p.data, x - np.float32(0.001) * p.grad.data, rtol=1e-5, atol=1e-7)
        assert (p.data != x).any()


def test_what_was_learned_stays_when_it_freezes(rule):
    backbone, _, model = network()
    optimizer = rule(model.parameters())
    learn(model, optimizer)
    backbone.requires_grad_(False)
    before = bits(backbone)
    learn(model, optimizer)
    assert bits(backbone) == before


def test_nothing_to_learn():
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="SGD: all 2 parameters are frozen, so there is nothing to learn"):
        SGD(model.parameters())
    SGD([{"params": model.parameters()}, {"params": nn.Linear(2, 1).parameters()}])


# ------------------------------------------------------------------------------------------------------------ penalties


def test_penalties_are_sums_over_all_parameters():
    a, b = mg.tensor([[1.0, -2.0], [0.0, 3.0]], requires_grad=True), mg.tensor([-0.5], requires_grad=True)
    l1_penalty(iter([a, b])).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([[1, -1], [0, 1]], [-1])
    a.grad = b.grad = None
    l2_penalty([a, b]).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == (a.tolist(), b.tolist())
    assert (l1_penalty([a, b]).item(), l2_penalty([a, b]).item(), l2_penalty(b).item()) == (6.5, 7.125, 0.125)
    assert l1_penalty(a).shape == ()


@pytest.mark.parametrize("penalty", [l1_penalty, l2_penalty])
def test_penalties_of_what_is_no_parameter(penalty):
    for given, error, words in (
        ([], ValueError, "no parameters"),
        (nn.Linear(1, 1), TypeError, r"hand in its parameters\(\)"),
        ([1.0], TypeError, "parameter 0 is a float, not a Tensor"),
    ):
        with pytest.raises(error, match=f"{penalty.__name__}: .*{words}"):
            penalty(given)


@pytest.mark.parametrize(
    ("make", "equal"),
    [
        (lambda ps, **options: SGD(ps, lr=0.05, momentum=0.9, **options), True),
        (lambda ps, **options: Adam(ps, lr=0.05, **options), True),
        (lambda ps, **options: AdamW(ps, lr=0.05, **{"weight_decay": 0.0, **options}), False),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_an_l2_penalty_is_weight_decay_but_not_that_of_adamw(make, equal):
    results = []
    for penalised in (True, False):
        tensors = parameters()
        optimizer = make(tensors, weight_decay=0.0 if penalised else 0.3)
        for _ in range(20):
            optimizer.zero_grad()
            loss = sum(((p - 1) ** 2).sum() for p in tensors)
            (loss + 0.3 * l2_penalty(tensors) if penalised else loss).backward()
            optimizer.step()
        results.append(np.concatenate([p.data.ravel() for p in tensors]))
    difference = np.abs(results[0] - results[1]).max()
    assert difference < 1e-12 if equal else difference > 1e-3


def test_an_l1_penalty_takes_what_is_of_no_use_to_zero():
    """Soft thresholding: the minimum of ½ (w − a)² + λ |w| is sign a · max(|a| − λ, 0)."""
    w, a = mg.tensor([0.5, 0.5, 0.5], dtype="float64", requires_grad=True), mg.tensor(np.array([2.0, 0.1, -1.0]))
    optimizer = SGD([w], lr=0.01)
    for _ in range(2000):
        optimizer.zero_grad()
        (((w - a) ** 2).sum() / 2 + 0.3 * l1_penalty(w)).backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, [1.7, 0, -0.7], atol=0.011)


# --------------------------------------------------------------------------------------------------------------- L-BFGS


def valley(w, b, x):
    """Rosenbrock's valley, and a regression."""
    return ((1 - b) ** 2).sum() + 100 * ((w[0] - b**2) ** 2).sum() + ((x @ w + b).tanh() ** 2).mean()


def bowl(w, b, x):
    return (((x @ w + b).tanh() - 0.5) ** 2).mean() + 0.1 * (w**2).sum()


def waves(w, b, x):
    """Where a step may go over a crest."""
    return (4 * w).sin().sum() + (3 * b).sin().sum() + 0.05 * ((x @ w + b) ** 2).mean()


def start(dtype):
    rng = np.random.default_rng(0)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in ((3, 2), (2,), (20, 3))]


def with_closure(optimizer, loss):
    def closure():
        optimizer.zero_grad()
        y = loss()
        y.backward()
        return y

    return closure


def minimise(loss, options, steps, dtype="float64", device="cpu"):
    """A run of L-BFGS: the losses, the parameters, and the optimiser with its closure."""
    w, b, x = (mg.tensor(a, device=device) for a in start(dtype))
    tensors = [w.requires_grad_(), b.requires_grad_()]
    optimizer = LBFGS(tensors, **options)
    closure = with_closure(optimizer, lambda: loss(*tensors, x))
    losses = [optimizer.step(closure).item() for _ in range(steps)]
    return losses, tensors, optimizer, closure


def minimised_by_pytorch(loss, options, steps, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    w, b, x = map(torch.tensor, start(dtype))
    tensors = [w.requires_grad_(), b.requires_grad_()]
    optimizer = torch.optim.LBFGS(tensors, **options)
    closure = with_closure(optimizer, lambda: loss(*tensors, x))
    losses = [optimizer.step(closure).item() for _ in range(steps)]
    return losses, [p.detach().numpy() for p in tensors], optimizer.state[w]["n_iter"]


SEARCH = {"line_search_fn": "strong_wolfe"}
LBFGS_CASES = [
    ({"lr": 0.1, "max_iter": 1}, 60),
    ({"lr": 0.5, "max_iter": 5, "history_size": 3}, 6),
    (SEARCH | {"max_iter": 1, "max_eval": 25}, 15),
    (SEARCH | {"max_iter": 7, "max_eval": 9, "history_size": 4}, 4),
    (SEARCH | {"lr": 0.2}, 1),
    (SEARCH | {"lr": 50.0}, 1),
    (SEARCH | {"tolerance_grad": 0.1}, 3),
    ({"lr": 0.3, "tolerance_change": 1e-3}, 3),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-4)])
@pytest.mark.parametrize(
    ("loss", "options", "steps"),
    [
        *((loss, *case) for loss in (bowl, valley) for case in LBFGS_CASES),
        *((waves, SEARCH | {"lr": lr, "max_iter": 1, "max_eval": 25}, 8) for lr in (0.1, 1.0, 7.0)),
    ],
    ids=lambda case: case.__name__ if callable(case) else named(case),
)
def test_lbfgs_equals_pytorch(loss, options, steps, dtype, tolerance):
    if dtype == "float32":  # where soon a last bit decides which way the search turns
        steps, options = min(steps, 2), {"max_iter": 3} | options
    losses, tensors, optimizer, _ = minimise(loss, options, steps, dtype)
    theirs, values, iterations = minimised_by_pytorch(loss, options, steps, dtype)
    np.testing.assert_allclose(losses, theirs, rtol=tolerance, atol=tolerance)
    for p, x in zip(tensors, values):
        np.testing.assert_allclose(p.data, x, rtol=tolerance, atol=tolerance)
    if dtype == "float64":
        assert optimizer.memory.steps == iterations


def test_lbfgs_finds_the_bottom_of_the_valley():
    p = mg.tensor([-1.2, 1.0], dtype="float64", requires_grad=True)
    optimizer = LBFGS([p], line_search_fn="strong_wolfe", max_iter=100, tolerance_change=1e-15)
    optimizer.step(with_closure(optimizer, lambda: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2))
    np.testing.assert_allclose(p.data, [1, 1], atol=1e-6)
    assert optimizer.memory.steps < 60


def test_lbfgs_on_every_device(device):
    options = SEARCH | {"max_iter": 10}
    here = minimise(bowl, options, 2, "float32")
    there = minimise(bowl, options, 2, "float32", device)
    for p, q in zip(here[1], there[1]):
        np.testing.assert_allclose(q.detach().to("cpu").numpy(), p.data, rtol=1e-4, atol=1e-5)


def test_lbfgs_stops_growing_its_step_behind_a_crest():
    """The first step, of 1, and the second, to 10, meet a slope as at the start; the third meets a loss that is higher
    than the last, but not than the first."""
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    found = []
    for module, tensor in ((mg, mg.tensor), (torch, torch.tensor)):
        x = tensor(np.zeros(1), requires_grad=True)
        optimizer = (optim if module is mg else torch.optim).LBFGS([x], max_iter=1, max_eval=25, **SEARCH)
        crests = lambda: 9.5 * module.sigmoid(50 * (x - 5)) + 0.2 * module.sigmoid(1000 * (x - 10.045))  # noqa: B023
        optimizer.step(with_closure(optimizer, lambda: (crests() - x).sum()))  # noqa: B023
        found.append(x.item())
    assert found[0] == pytest.approx(found[1], rel=1e-10)
    assert 10 < found[0] < 10.045


def test_lbfgs_turns_back_from_where_the_loss_is_nan():
    """A first step of 10 leaves the domain of the logarithm."""
    p = mg.tensor([1.0], dtype="float64", requires_grad=True)
    optimizer = LBFGS([p], lr=10.0, line_search_fn="strong_wolfe")

    def loss():
        with np.errstate(invalid="ignore", divide="ignore"):
            return (2 * p - mg.log(p)).sum()

    optimizer.step(with_closure(optimizer, loss))
    assert p.item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("options", [{"lr": 0.2, "max_iter": 3}, SEARCH | {"max_iter": 2}])
def test_lbfgs_continues_bit_for_bit(options):
    _, tensors, optimizer, closure = minimise(bowl, options | {"history_size": 4}, 3)
    state, values = optimizer.state_dict(), [p.data.copy() for p in tensors]
    json.dumps(state["param_groups"], allow_nan=False)
    for _ in range(3):
        optimizer.step(closure)
    expected = [p.data.copy() for p in tensors]
    _, others, fresh, again = minimise(bowl, options | {"history_size": 4}, 0)
    for _ in range(2):
        fresh.load_state_dict(state)
        for p, x in zip(others, values):
            p.data[...] = x
        for _ in range(3):
            fresh.step(again)
        for p, x in zip(others, expected):
            np.testing.assert_array_equal(p.data, x)
    beginning = LBFGS(others).state_dict()
    assert beginning["state"] == {}
    fresh.load_state_dict(beginning)
    assert (fresh.memory.steps, fresh.lr) == (0, 1.0)


def test_lbfgs_leaves_what_is_frozen():
    backbone, _, model = network()
    backbone.requires_grad_(False)
    backbone.bias.data[...] = -0.0  # to which 0 is not added either
    before, optimizer = bits(backbone), LBFGS(model.parameters())
    x = mg.randn(8, 4, generator=mg.Generator(1))
    closure = with_closure(optimizer, lambda: (model(x) ** 2).sum())
    first = optimizer.step(closure)
    assert optimizer.step(closure).item() < first.item() / 10
    assert bits(backbone) == before


def test_a_graph_from_before_a_step_of_lbfgs_refuses():
    w = mg.tensor([2.0, 3.0], requires_grad=True)
    loss = (w * w).sum()
    optimizer = LBFGS([w])
    optimizer.step(with_closure(optimizer, lambda: (w * w).sum()))
    with pytest.raises(InplaceError, match=r"LBFGS\.step"):
        loss.backward()


def test_lbfgs_refuses_what_it_cannot_do():
    a = mg.tensor([1.0], requires_grad=True)
    b = mg.tensor([1.0], dtype="float64", requires_grad=True)
    with pytest.raises(ValueError, match="LBFGS: there is one group"):
        LBFGS([{"params": [a]}, {"params": [b]}])
    with pytest.raises(ValueError, match="one dtype and one device, got float32 on cpu, float64 on cpu"):
        LBFGS([a, b]).step(lambda: a)
    with pytest.raises(TypeError, match=r"LBFGS.step needs a closure.*step\(closure\)"):
        LBFGS([a]).step()
    with pytest.raises(TypeError, match="the closure must return the loss, but it returned None"):
        LBFGS([a]).step(lambda: None)


def test_a_misfit_of_lbfgs_is_named():
    _, tensors, optimizer, _ = minimise(bowl, {}, 1)
    state = optimizer.state_dict()
    for given, words in (
        ({**state, "state": {1: {}}}, "expected one state, 0: gradient, moved, rho, s, scale, step, y; got 1: "),
        (
            {**state, "state": {0: state["state"][0] | {"s": mg.zeros(2, 3)}}},
            r"state 0: s has shape \(2, 3\), expected",
        ),
        (Adam(tensors).state_dict(), "LBFGS has no option"),
        ([], "expected what state_dict"),
    ):
        with pytest.raises(ValueError, match=words):
            optimizer.load_state_dict(given)
    assert optimizer.memory.steps == int(state["state"][0]["step"].item())
