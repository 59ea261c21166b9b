"""The benchmark of whole steps: all contenders of a workload compute the same; what is told is what was measured."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import scaling
from benchmarks.steps import LAST, MINIGRAD, NAIVE, TORCH, TUNED, pictures, race, tuned, workloads
from minigrad import draw

WORKLOADS = workloads()
BESIDE = [(name, who) for name, w in WORKLOADS.items() for who in w.contenders if who != MINIGRAD]


def test_the_workloads():
    assert list(WORKLOADS) == ["W1", "W2", "W2b", "W2c", "W3", "W3b", "W4", "W5", "W6", "W7", "W8"]
    for w in WORKLOADS.values():
        assert {MINIGRAD, NAIVE, TORCH} <= w.contenders.keys()
        assert {a for pair in w.goals for a in pair} <= w.contenders.keys()


@pytest.mark.parametrize(("name", "who"), BESIDE)
def test_the_first_losses_are_those_of_minigrad(name, who):
    if who in (TORCH, LAST):
        pytest.importorskip("torch")
    made = WORKLOADS[name].contenders
    ours, theirs = made[MINIGRAD](), made[who]()
    steps = 1 if name in ("W5", "W8") else 3
    found = {MINIGRAD: [float(ours()) for _ in range(steps)], who: [float(theirs()) for _ in range(steps)]}
    assert not race.differing(found)
    if steps > 1 and name != "W1":
        assert found[who][0] != found[who][-1], "nothing was learned"


def test_the_gradients_of_the_chain():
    """What W5 leaves behind, by hand and by minigrad: its value alone would not tell."""
    import minigrad as mg
    from benchmarks.steps import chain

    a, b, c = (mg.tensor(x.astype("float64"), requires_grad=True) for x in chain.drawn())
    (mg.tanh(a * b + c) * mg.sigmoid(a) - b * b).sum().backward()
    for make in (chain.naive, chain.tuned):
        step = make()
        step()
        for x, g in zip((a, b, c), step.gradients, strict=True):
            np.testing.assert_allclose(g, x.grad.numpy(), rtol=1e-4, atol=1e-4)


def test_the_tuned_optimisers():
    import minigrad as mg
    from minigrad import optim

    rng = np.random.default_rng(0)
    shapes = (300, 301), (7,), (40_000,)
    starts = [rng.standard_normal(s, dtype=np.float32) for s in shapes]
    momentum = {"momentum": 0.9}
    for flat, mine, how in ((tuned.Adam, optim.Adam, {}), (tuned.SGD, optim.SGD, momentum), (tuned.SGD, optim.SGD, {})):
        flat = flat(starts, lr=0.01, **how)
        ours = [mg.tensor(s.copy(), requires_grad=True) for s in starts]
        optimizer = mine(ours, lr=0.01, **how)
        for _ in range(3):
            for p, g in zip(ours, flat.gradients, strict=True):
                g[...] = rng.standard_normal(g.shape, dtype=np.float32)
                p.grad = mg.tensor(g.copy())
            flat.step()
            optimizer.step()
        for p, q in zip(ours, flat.parameters, strict=True):
            np.testing.assert_allclose(q, p.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_losses_that_differ_are_named():
    assert race.differing({"a": [1.0, 2.0], "b": [1.0005, 2.0], "c": [1.0, 2.01]}) == ["c [1.0, 2.01] and a [1.0, 2.0]"]


@pytest.fixture(scope="module")
def little():
    return race.run(["W2"], rounds=2, seconds=0.01)


def test_a_race(little):
    (result,), notes = little
    assert result.seconds.keys() >= {MINIGRAD, TUNED, NAIVE}
    for middle, least, most in result.seconds.values():
        assert 0 < least <= middle <= most < 10
    assert all(20 < before <= peak < 2000 for before, peak in result.memory.values())
    assert result.ratios[MINIGRAD, TUNED] > 0
    assert any("rounds" in note for note in notes)


def test_what_is_told(little, tmp_path):
    results, notes = little
    report = race.markdown(results, notes)
    (line,) = [line for line in report.splitlines() if line.startswith(f"| W2 | {MINIGRAD} |")]
    assert re.search(r"\d × (met|missed) \(≤ 1.25\)", line)
    data = json.loads(race.as_json(results, notes))
    assert data["steps"][0]["ratios"][f"{MINIGRAD} / {TUNED}"] == results[0].ratios[MINIGRAD, TUNED]
    draw.save(pictures.picture(results), tmp_path / "steps.png")
    assert (tmp_path / "steps.png").stat().st_size > 10_000


def test_what_became_slower_is_named():
    pair = (MINIGRAD, TUNED)
    now = race.Result("W2", "", {}, {pair: 1.5, (MINIGRAD, NAIVE): 9.0}, {}, {pair: 1.25})
    known = {"steps": [{"name": "W2", "ratios": {"minigrad / tuned NumPy": 1.1, "minigrad / naive NumPy": 1.0}}]}
    assert race.worse([now], known, 1.3) == ["W2: minigrad / tuned NumPy is 1.50, it was 1.10"]
    assert race.worse([now], known, 1.4) == []
    assert race.worse([now], {"steps": []}, 1.3) == []


def test_a_contender_that_fails_is_named(monkeypatch):
    with pytest.raises(ValueError, match="no workload W9; there are W1, W2"):
        race.run(["W9"])
    with race.Worker("W2", "nobody") as worker, pytest.raises(RuntimeError, match="nobody in W2 ended with code 1"):
        worker.ask("losses 1")


def test_the_command(tmp_path, capsys):
    command.main(["steps", "W1", "--quick", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["steps.json", "steps.md", "steps.png"]
    assert "| W1 | minigrad |" in capsys.readouterr().out
    command.main(["memory", "W1"])
    assert re.search(r"\| W1 \| minigrad \| \d+ \| \d+ \|", capsys.readouterr().out)


def test_scaling(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(scaling, "GROWTHS", scaling.GROWTHS[-1:])
    command.main(["scaling", "--quick", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scaling.json", "scaling.md", "scaling.png"]
    assert "| graph, side by side | operations | 100: " in capsys.readouterr().out
    assert scaling.slope((10, 100, 1000), (1, 2, 20)) == pytest.approx(1)
    assert scaling.slope((10, 100), (1, 100)) == pytest.approx(2)


def test_every_growth_makes_a_step():
    for growth in scaling.GROWTHS:
        growth.make(growth.sizes[0])()
