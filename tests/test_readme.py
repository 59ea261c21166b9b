"""The examples of README.md run, and give what is written beside them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf8")


def examples(containing: str) -> str:
    [code] = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if containing in code]
    return code


def test_the_ten_lines_train_a_network(capsys):
    mg.seed(0)
    names: dict = {}
    exec(examples("optim.Adam"), names)
    assert float(capsys.readouterr().out) == pytest.approx(names["loss"].item(), abs=1e-4)
    assert names["loss"].item() < 0.1  # the variance of the targets, 1/12, is what a constant answer leaves


def test_the_declaration_of_tanh_is_the_one_of_the_library(registry):
    names: dict = {"op": mg.op}
    exec(examples("def tanh"), names)
    x = mg.tensor([-1.0, 0.5], requires_grad=True)
    y = names["tanh"](x)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 - np.tanh([-1, 0.5]) ** 2, rtol=1e-6)


def test_an_operation_of_ones_own(registry):
    names: dict = {"mg": mg}
    code = examples("x_exp_x")
    exec(code, names)
    written = re.search(r"x\.grad: tensor\((\[.*?\])\)", code)[1]
    np.testing.assert_allclose(names["x"].grad.numpy(), eval(written), rtol=1e-6)


def test_the_floor_plan_names_every_file():
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", README))
    package = Path(mg.__file__).parent
    there = {p.name if p.is_file() else f"{p.name}/" for p in package.iterdir() if not p.name.startswith("_")}
    there = {n for n in there if n.endswith((".py", "/"))}
    assert not there - named
