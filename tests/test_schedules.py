"""Schedules: each equals PyTorch's and its formula; a state is small, plain, and continues bit for bit; combinations;
what is done by hand, or added later; mistakes are named."""

from __future__ import annotations

import json
from math import cos, inf, nan, pi

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.optim import SGD, Adam, LRScheduler, ReduceLROnPlateau
from tests.standin import transfers

RATES = (0.1, 0.02)  # of two groups


def make(module, parameter, kind="SGD", **options):
    groups = [{"params": [parameter()], "lr": lr} for lr in RATES]
    return getattr(module, kind)(groups, lr=0.5, **options)


def ours(kind="SGD", **options):
    return make(optim, lambda: mg.zeros(2, requires_grad=True), kind, **options)


# Each is made from a module of schedules and an optimiser.
SCHEDULES = {
    "lambda": lambda m, o: m.LambdaLR(o, lambda t: 1 / (1 + t)),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 + t]),
    "step": lambda m, o: m.StepLR(o, step_size=30),
    "step-gamma": lambda m, o: m.StepLR(o, 7, gamma=0.5),
    "multistep": lambda m, o: m.MultiStepLR(o, [30, 80]),
    "multistep-twice": lambda m, o: m.MultiStepLR(o, milestones=[50, 10, 10], gamma=0.3),
    "exponential": lambda m, o: m.ExponentialLR(o, gamma=0.95),
    "constant": lambda m, o: m.ConstantLR(o),
    "constant-long": lambda m, o: m.ConstantLR(o, factor=0.5, total_iters=40),
    "linear": lambda m, o: m.LinearLR(o),
    "linear-down": lambda m, o: m.LinearLR(o, start_factor=0.9, end_factor=0.1, total_iters=60),
    "polynomial": lambda m, o: m.PolynomialLR(o, total_iters=70, power=2.0),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, T_max=100),
    "cosine-again": lambda m, o: m.CosineAnnealingLR(o, T_max=30, eta_min=0.001),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, T_0=15, eta_min=0.001),
    "restarts-growing": lambda m, o: m.CosineAnnealingWarmRestarts(o, T_0=7, T_mult=2),
    "one-cycle": lambda m, o: m.OneCycleLR(o, max_lr=0.3, total_steps=101, cycle_momentum=False),
    "one-cycle-linear": lambda m, o: m.OneCycleLR(
        o, [0.3, 0.5], epochs=10, steps_per_epoch=11, pct_start=0.2, anneal_strategy="linear", cycle_momentum=False
    ),
    "one-cycle-three": lambda m, o: m.OneCycleLR(
        o, 0.3, 120, three_phase=True, div_factor=10, final_div_factor=50, cycle_momentum=False
    ),
    "sequence": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.1, total_iters=10), m.CosineAnnealingLR(o, 40), m.ConstantLR(o, 0.2), m.ExponentialLR(o, 0.9)],
        milestones=[10, 50, 70],
    ),
    "chain": lambda m, o: m.ChainedScheduler(
        [m.LinearLR(o, 0.1, total_iters=10), m.ExponentialLR(o, 0.97), m.MultiStepLR(o, [20, 60], 0.5)]
    ),
}  # fmt: skip
FORMULAS = {  # η_t of η₀ = 1, as the docstrings have it
    "step": lambda t: 0.1 ** (t // 30),
    "multistep": lambda t: 0.1 ** ((t >= 30) + (t >= 80)),
    "exponential": lambda t: 0.95**t,
    "linear-down": lambda t: 0.9 + (0.1 - 0.9) * min(t, 60) / 60,
    "polynomial": lambda t: (1 - min(t, 70) / 70) ** 2,
    "cosine": lambda t: 0.5 * (1 + cos(pi * t / 100)),
    "warmup-cosine": lambda t: (t + 1) / 11 if t < 10 else 0.5 * (1 + cos(pi * min(1, (t - 10) / 70))),
}
OWN = {"warmup-cosine": lambda m, o: m.WarmupCosineLR(o, warmup_steps=10, total_steps=80)}


@pytest.fixture(params=[*SCHEDULES, *OWN])
def schedule(request):
    return {**SCHEDULES, **OWN}[request.param]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_hundred_steps_equal_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    there = make(torch.optim, lambda: torch.zeros(2, requires_grad=True))
    here = ours()
    theirs, mine = SCHEDULES[name](torch.optim.lr_scheduler, there), SCHEDULES[name](optim, here)
    for t in range(101):
        expected = [group["lr"] for group in there.param_groups]
        np.testing.assert_allclose(mine.get_last_lr(), expected, rtol=1e-9, atol=1e-15, err_msg=f"step {t}")
        assert mine.get_last_lr() == [group["lr"] for group in here.param_groups]
        there.step()
        theirs.step()
        mine.step()


@pytest.mark.parametrize("name", FORMULAS)
def test_rates_equal_their_formula(name):
    optimizer = ours()
    schedule = {**SCHEDULES, **OWN}[name](optim, optimizer)
    for t in range(101):
        np.testing.assert_allclose(
            schedule.get_last_lr(), [r * FORMULAS[name](t) for r in RATES], rtol=1e-12, atol=1e-17
        )
        schedule.step()


@pytest.mark.parametrize(
    ("kind", "options"), [("SGD", {"momentum": 0.9}), ("RMSprop", {}), ("Adam", {}), ("AdamW", {})]
)
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_turns_the_momentum(kind, options, three_phase):
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    there = make(torch.optim, lambda: torch.zeros(2, requires_grad=True), kind, **options)
    here = ours(kind, **options)
    given = {"max_lr": 0.1, "total_steps": 61, "three_phase": three_phase, "base_momentum": [0.8, 0.7]}
    given["max_momentum"] = [0.9, 0.95]
    theirs, mine = torch.optim.lr_scheduler.OneCycleLR(there, **given), optim.OneCycleLR(here, **given)
    for _ in range(61):
        for a, b in zip(here.param_groups, there.param_groups):
            name = "betas" if "betas" in b else "momentum"
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12)
            np.testing.assert_allclose(a["lr"], b["lr"], rtol=1e-12)
        there.step()
        theirs.step() if theirs.last_epoch < 60 else None
        mine.step()
    assert mine.get_last_lr() == pytest.approx([0.1 / 25 / 1e4] * 2)  # and so it stays


METRICS = [3, 2, 2, 1.9999, 2.5, 2, 1, 1, 1, nan, 1, 1, 0.5, 0.5, 0.6, inf, 0.5, -1, -1, -1, -1.0001, -2, -2, -2, -2, 4]
PLATEAUS = [
    {"patience": 2},
    {"patience": 1, "factor": 0.5, "cooldown": 3},
    {"mode": "max", "patience": 3, "threshold": 0.01},
    {"threshold_mode": "abs", "threshold": 0.5, "patience": 0, "min_lr": 1e-3},
    {"mode": "max", "threshold_mode": "abs", "patience": 1, "min_lr": [0.05, 0.0], "eps": 1e-3},
]


def plateaus(options):
    torch = pytest.importorskip("torch", reason="PyTorch is what these tests compare with")
    there, here = make(torch.optim, lambda: torch.zeros(2, requires_grad=True)), ours()
    return torch.optim.lr_scheduler.ReduceLROnPlateau(there, **options), ReduceLROnPlateau(here, **options)


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_equal_pytorch(options):
    theirs, mine = plateaus(options)
    for t in range(100):
        metric = METRICS[t % len(METRICS)] - t // len(METRICS)
        theirs.step(metric)
        mine.step(metric)
        assert mine.get_last_lr() == pytest.approx([group["lr"] for group in theirs.optimizer.param_groups], rel=1e-12)
        assert (mine.num_bad_epochs, mine.cooldown_counter) == (theirs.num_bad_epochs, theirs.cooldown_counter)
    assert mine.get_last_lr() != list(RATES)


def test_a_plateau_by_hand():
    schedule = ReduceLROnPlateau(ours(), factor=0.5, patience=1)
    rates = []
    for metric in (1.0, mg.tensor(0.9, requires_grad=True), 0.9, np.float32(0.95), 0.8, 0.8, 0.8):
        schedule.step(metric)
        rates.append(schedule.get_last_lr()[0])
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]


# --------------------------------------------------------------------------------------------------------------- state


def test_a_state_continues_bit_for_bit(schedule):
    whole = schedule(optim, ours())
    expected = []
    for _ in range(60):
        whole.step()
        expected.append(whole.get_last_lr())
    first = schedule(optim, ours())
    for _ in range(23):
        first.step()
    state = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    assert state == {"last_epoch": 23, "base_lrs": list(RATES)}
    resumed = schedule(optim, ours())
    resumed.load_state_dict(state)
    assert resumed.get_last_lr() == expected[22]
    for rates in expected[23:]:
        resumed.step()
        assert resumed.get_last_lr() == rates


@pytest.mark.parametrize("schedule_first", [False, True])
def test_the_order_of_loading_does_not_matter(schedule, schedule_first):
    optimizer = ours()
    before = schedule(optim, optimizer)
    for _ in range(23):
        before.step()
    states = before.state_dict(), optimizer.state_dict()
    again = ours()
    after = schedule(optim, again)
    if schedule_first:
        after.load_state_dict(states[0])
    again.load_state_dict(states[1])
    if not schedule_first:
        after = schedule(optim, again)  # made of an optimiser whose rates have gone down already
        after.load_state_dict(states[0])
    assert after.get_last_lr() == before.get_last_lr()
    before.step()
    after.step()
    assert after.get_last_lr() == before.get_last_lr()


@pytest.mark.parametrize("options", PLATEAUS)
def test_a_plateau_continues(options):
    whole, first, resumed = (ReduceLROnPlateau(ours(), **options) for _ in range(3))
    beginning = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    for metric in METRICS[:9]:
        first.step(metric)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    for t, metric in enumerate(METRICS):
        whole.step(metric)
        if t >= 9:
            resumed.step(metric)
    assert resumed.get_last_lr() == whole.get_last_lr()
    assert resumed.state_dict() == whole.state_dict()
    resumed.load_state_dict(beginning)
    assert resumed.get_last_lr() == list(RATES)
    assert resumed.best is None


def test_a_state_is_a_copy():
    schedule = optim.ExponentialLR(ours(), 0.5)
    state = schedule.state_dict()
    state["base_lrs"][0] = 7.0
    other = optim.ExponentialLR(ours(), 0.5)
    other.load_state_dict(kept := schedule.state_dict())
    kept["base_lrs"][0] = 7.0
    schedule.step()
    other.step()
    assert schedule.get_last_lr()[0] == other.get_last_lr()[0] == 0.05


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "ExponentialLR.load_state_dict: expected last_epoch, base_lrs; got nothing"),
        ([1], "expected last_epoch, base_lrs; got list"),
        ({"last_epoch": 3, "best": 1}, "expected last_epoch, base_lrs; got last_epoch, best"),
        ({"last_epoch": 3, "base_lrs": [0.1]}, "base_lrs is for 1 groups, the optimiser has 2"),
    ],
)
def test_a_state_that_does_not_fit(state, words):
    schedule = optim.ExponentialLR(ours(), 0.5)
    with pytest.raises(ValueError, match=words):
        schedule.load_state_dict(state)
    assert (schedule.last_epoch, schedule.get_last_lr()) == (0, list(RATES))


# ------------------------------------------------------------------------------------------------ with the optimiser


def test_the_rate_reaches_the_steps():
    p = mg.tensor([0.0], dtype="float64", requires_grad=True)
    optimizer = SGD([p], lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    for _ in range(4):
        p.grad = mg.tensor([-1.0], dtype="float64")
        optimizer.step()
        schedule.step()
    assert p.item() == 1 + 0.5 + 0.25 + 0.125


def test_a_schedule_asks_no_device():
    p = mg.ones(3, device="standin", requires_grad=True)
    p.grad = mg.ones(3, device="standin")
    optimizer = Adam([p])
    schedules = [optim.OneCycleLR(optimizer, 0.1, 100), ReduceLROnPlateau(optimizer, patience=0)]
    optimizer.step()
    with transfers.counting() as moved:
        schedules[0].step()
        schedules[1].step(3.0)
        optimizer.step()
    assert (moved.to_device, moved.to_host, moved.synchronizations) == (0, 0, 0)


def test_two_schedules_of_one_optimiser_begin_with_one_rate():
    optimizer = ours()
    first = optim.LinearLR(optimizer, 0.1, total_iters=4)
    assert first.get_last_lr() == pytest.approx([0.01, 0.002])
    assert optim.ExponentialLR(optimizer, 0.5).base_lrs == list(RATES)


def test_a_rate_that_is_set_by_hand_holds_until_the_next_step_and_for_new_schedules():
    optimizer = ours()
    schedule = optim.ExponentialLR(optimizer, 0.5)
    optimizer.lr = 0.4
    assert schedule.get_last_lr() == [0.4, 0.4]
    fresh = optim.ExponentialLR(optimizer, 0.1)
    assert fresh.base_lrs == [0.4, 0.4]
    schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.01]


def test_a_group_that_is_added_later_follows_with_its_own_rate(schedule):
    optimizer = ours()
    try:
        made = schedule(optim, optimizer)
        for _ in range(3):
            made.step()
        optimizer.add_param_group({"params": [mg.zeros(1, requires_grad=True)], "lr": 0.2})
        assert made.get_last_lr()[2] == 0.2
        made.step()
    except ValueError as error:
        assert "2 values are given, the optimiser has 3 groups" in str(error)  # noqa: PT017 - those with lists
        return
    assert made.base_lrs == [*RATES, 0.2]
    if not isinstance(made, optim.OneCycleLR):
        assert made.get_last_lr()[2] == pytest.approx(made.rates(4, [0.2])[0])


def test_a_warm_up_that_is_part_of_a_sequence():
    optimizer = ours()
    parts = [optim.LinearLR(optimizer, 0.1, total_iters=5), optim.CosineAnnealingLR(optimizer, 95)]
    schedule = optim.SequentialLR(optimizer, parts, milestones=[5])
    assert schedule.get_last_lr() == pytest.approx([0.01, 0.002])
    rates = []
    for _ in range(100):
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates[4] == max(rates) == 0.1
    assert rates[-1] == pytest.approx(0, abs=1e-15)


def test_a_chain_of_a_cosine_with_an_end():
    """Each takes the rate of the one before as its η₀."""
    optimizer = ours()
    chain = optim.ChainedScheduler([optim.ExponentialLR(optimizer, 0.9), optim.CosineAnnealingLR(optimizer, 10, 0.001)])
    for _ in range(4):
        chain.step()
    expected = [0.001 + 0.5 * (r * 0.9**4 - 0.001) * (1 + cos(pi * 4 / 10)) for r in RATES]
    assert chain.get_last_lr() == pytest.approx(expected, rel=1e-12)


def test_printed():
    schedule = optim.StepLR(ours(), 1, 0.5)
    schedule.step()
    assert repr(schedule) == "StepLR(step 1, lr=0.05, 0.01)"


def test_a_schedule_of_your_own():
    class Sawtooth(LRScheduler):
        def rate(self, t, base):
            return base * (t % 3)

    schedule = Sawtooth(ours())
    schedule.step()
    assert schedule.get_last_lr() == list(RATES)
    with pytest.raises(NotImplementedError):
        LRScheduler(ours())


other = SGD([mg.zeros(1, requires_grad=True)])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda o: optim.StepLR(3, 1), TypeError, "StepLR: expected an optimiser, got a int"),
        (lambda o: optim.StepLR(o, 0), ValueError, "step_size must be a whole number of at least 1, not 0"),
        (lambda o: optim.StepLR(o, 1.5), ValueError, "step_size must be a whole number"),
        (lambda o: optim.ExponentialLR(o, -0.5), ValueError, "gamma must be at least 0, not -0.5"),
        (lambda o: optim.MultiStepLR(o, [3, -1]), ValueError, "a milestone must be a whole number of at least 0"),
        (lambda o: optim.LambdaLR(o, [abs]), ValueError, "lr_lambda: 1 values are given, the optimiser has 2 groups"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "T_max must be a whole number of at least 1"),
        (lambda o: optim.CosineAnnealingWarmRestarts(o, 5, 0), ValueError, "T_mult must be a whole number of at least"),
        (lambda o: optim.WarmupCosineLR(o, 9, 9), ValueError, "warmup_steps must be fewer than total_steps, 9, not 9"),
        (lambda o: optim.OneCycleLR(o, 0.1), ValueError, "give total_steps, or epochs and steps_per_epoch"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=0.05), ValueError, "pct_start=0.05 leaves no step to go up"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=0.6, three_phase=True), ValueError, "none to go down"),
        (
            lambda o: optim.OneCycleLR(o, 0.1, 10, anneal_strategy="x"),
            ValueError,
            "anneal_strategy is 'cos' or 'linear'",
        ),
        (lambda o: optim.OneCycleLR(o, [0.1], 10), ValueError, "max_lr: 1 values are given"),
        (
            lambda o: optim.OneCycleLR(optim.Adagrad([mg.zeros(1, requires_grad=True)]), 0.1, 10),
            ValueError,
            "OneCycleLR: Adagrad has no momentum; give cycle_momentum=False",
        ),
        (lambda o: optim.SequentialLR(o, [], []), ValueError, "SequentialLR: no schedules"),
        (
            lambda o: optim.SequentialLR(o, [optim.LinearLR(o)], [3]),
            ValueError,
            r"1 schedules need 0 growing milestones, got \[3\]",
        ),
        (
            lambda o: optim.SequentialLR(o, [optim.LinearLR(o)] * 3, [5, 3]),
            ValueError,
            r"3 schedules need 2 growing milestones, got \[5, 3\]",
        ),
        (
            lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.LinearLR(other)], [3]),
            ValueError,
            "schedule 1 belongs to another optimiser",
        ),
        (
            lambda o: optim.ChainedScheduler([ReduceLROnPlateau(o)]),
            TypeError,
            "ChainedScheduler: ReduceLROnPlateau is no function of the step",
        ),
        (lambda o: optim.ChainedScheduler([0.1]), TypeError, "ChainedScheduler: schedule 0 is a float, not a schedule"),
        (lambda o: ReduceLROnPlateau(o, mode="low"), ValueError, "mode is 'min' or 'max'.*not 'low' and 'rel'"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be at least 0 and below 1, not 1.0"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr: 1 values are given"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(ours())
