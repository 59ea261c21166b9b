"""The benchmark of trainings: both libraries train the same network on the same batches; results add up to a table."""

from __future__ import annotations

import json

import pytest

from benchmarks import training
from minigrad.recipes import RECIPES

pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to train beside")

ONE = training.Experiment("digits-mlp", "mlp", None, "digits, perceptron", seeds=(0, 1), beside=(0,), epochs=2)
ELSEWHERE = training.Experiment("far", "mlp", "nowhere", "data that are not there")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A report of two experiments, one without data, and what was said."""
    monkeypatch.setattr(training, "EXPERIMENTS", [ONE, ELSEWHERE])
    said: list[str] = []
    report = training.report(tmp_path, [], tmp_path / "out" / "training.json", said.append)
    return report, said, json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf8"))


def test_both_train_the_same(told):
    report, said, results = told
    first, second = results["digits-mlp"]["runs"]
    assert "PyTorch" not in second
    for name, value in first["minigrad"].items():
        if name != "seconds":
            assert value == pytest.approx(first["PyTorch"][name], rel=1e-4), name
    assert first["minigrad"]["validation accuracy"] > 0.3
    assert first["minigrad"]["loss"] != second["minigrad"]["loss"]
    assert any("far: no nowhere" in line for line in said)
    (row,) = [line for line in report.splitlines() if line.startswith("| digits, perceptron")]
    assert row.count("|") == 10
    assert "`mlp` | 2 |" in row


def test_every_experiment_has_a_recipe_and_what_it_asks_for():
    assert len({experiment.name for experiment in training.EXPERIMENTS}) == len(training.EXPERIMENTS)
    for experiment in training.EXPERIMENTS:
        assert experiment.recipe in RECIPES
        assert set(experiment.beside or ()) <= set(experiment.seeds)


def test_data_may_be_packed(tmp_path):
    assert training.path_of(tmp_path, "imdb.csv") is None
    (tmp_path / "imdb.csv.gz").touch()
    assert training.path_of(tmp_path, "imdb.csv").name == "imdb.csv.gz"
