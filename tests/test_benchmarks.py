"""The benchmarks: all contenders compute the same, nothing but computing is timed, and tables, numbers and pictures
are there, with any of the libraries missing."""

from __future__ import annotations

import gc
import itertools
import json
import re
import sys
import types

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import backends as by_backend
from benchmarks import contenders, operations, pictures, programs, tables, timing, twins
from benchmarks.programs import BOTH, FORWARD, PROGRAMS, STEP, STEPS, WHOLE
from minigrad import Tensor, backends, draw
from minigrad.backward import reachable
from minigrad.composition import COMPOSITIONS
from tests import standin

LITTLE = {"sizes": (100, 1_000), "widths": (4, 16), "rounds": 2, "seconds": 0.0}
ALL = [pytest.param(p, id=f"{p.family}: {p.name}") for p in (*PROGRAMS, *STEPS)]
MODES = [WHOLE if p.family == STEP else m for p in (*PROGRAMS, *STEPS) for m in (FORWARD, BOTH)]


@pytest.fixture(scope="module")
def beside_numpy():
    return operations.run(**LITTLE)


@pytest.fixture(scope="module")
def beside_standin():
    return by_backend.run(**LITTLE, devices=("cpu", "standin"))


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def few(monkeypatch):
    """One operation and one step."""
    for module in (operations, by_backend):
        monkeypatch.setattr(module, "PROGRAMS", PROGRAMS[:1])
        monkeypatch.setattr(module, "STEPS", STEPS[:1])


def as_cupy(monkeypatch, cupy, cupyx):
    """What `import cupy` finds; None is what it finds where it is not installed."""
    special = getattr(getattr(cupyx, "scipy", None), "special", None)
    for name, module in {"cupy": cupy, "cupyx": cupyx, "cupyx.scipy.special": special}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backends, "loaded", {k: v for k, v in backends.loaded.items() if k != "cupy"})


# ---------------------------------------------------------------------------------------------------- what is measured


def host(x):
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x.detach() if hasattr(x, "detach") else x)


def results_of(contender, program, inputs=None):
    """{mode: arrays}, of the second call: state that a call leaves behind would show."""
    calls = contender.calls(program, inputs or program.inputs(144))
    found = {}
    for mode, call in calls.items():
        call()
        made = call()
        found[mode] = [host(x) for x in (made if isinstance(made, (list, tuple)) else [made])]
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for mode, arrays in expected.items():
        assert len(found[mode]) == len(arrays)
        for mine, theirs in zip(found[mode], arrays):
            assert mine.dtype == theirs.dtype == np.float32
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("program", ALL)
def test_minigrad_computes_what_is_written_by_hand(program, device):
    (ours,), _ = contenders.minigrads({device: "minigrad"})
    assert_same(results_of(ours, program), results_of(contenders.ByHand(), program))


@pytest.mark.parametrize("program", ALL)
def test_pytorch_computes_what_is_written_by_hand(program):
    pytest.importorskip("torch")
    (theirs,), _ = contenders.torches({"cpu": "PyTorch"})
    assert_same(results_of(theirs, program), results_of(contenders.ByHand(), program))


@pytest.mark.parametrize("program", ALL)
def test_no_transfer_is_timed_and_the_clock_waits_for_the_device(program):
    (ours,), _ = contenders.minigrads({"standin": "minigrad"})
    for call in ours.calls(program, program.inputs(144)).values():
        call()
        with standin.transfers.counting() as moved:
            call()
        assert (moved.to_device, moved.to_host) == (0, 0)
        assert moved.synchronizations == 1


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
@pytest.mark.parametrize("size", programs.SIZES[:4])
def test_arrays_have_the_size_that_is_told(program, size):
    arrays, _ = program.inputs(size)
    x = next(a for a in arrays if a.dtype.kind == "f")
    assert x.size == pytest.approx(size, rel=0.08)


# ------------------------------------------------------------------------------------------------------------- timing


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where a function says so: clock[0] += seconds."""
    now = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])
    monkeypatch.setattr(timing, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def taking(clock, seconds, calls, name):
    """A function that takes so long: one number, or one for each call in turn."""
    lengths = itertools.repeat(seconds) if isinstance(seconds, float) else iter(seconds)

    def function():
        calls.append(name)
        clock[0] += next(lengths)

    return function


def test_turns(clock):
    calls = []
    a, b, c = (taking(clock, t, calls, name) for name, t in {"a": 1e-6, "b": 6e-4, "c": 1.5e-3}.items())
    gc.enable()
    assert timing.in_turns([{"a": a, "b": b}, {"c": c}], seconds=100, rounds=5) == pytest.approx(
        {"a": 1e-6, "b": 6e-4, "c": 1.5e-3}
    )
    assert gc.isenabled()
    assert re.sub(r"(.)\1*", r"\1", "".join(calls)) == "abc" * 6  # to begin with, and five rounds
    assert calls.count("a") == 1 + 5 * (1 + timing.CALLS)  # the first of each turn is not counted
    assert calls.count("b") == 1 + 5 * (1 + 4)
    assert calls.count("c") == 1 + 5 * (1 + 2)


def test_first_calls_are_not_counted(clock):
    calls = []
    slow_to_start = taking(clock, [9.0, 9.0, *[1e-6] * 20, 9.0, *[1e-6] * 20], calls, "a")
    assert timing.in_turns([{"a": slow_to_start}], seconds=100, rounds=2)["a"] == pytest.approx(1e-6)
    assert len(calls) == 1 + 2 * 21


def test_turns_end_with_the_time(clock):
    calls = []
    timing.in_turns([{"a": taking(clock, 1e-6, calls, "a")}], seconds=0, rounds=1_000)
    assert len(calls) == 1 + 3 * 21


def test_long_calls_are_not_repeated(clock):
    calls = []
    slow = taking(clock, 1.5 * timing.LONG, calls, "a")
    assert timing.in_turns([{"a": slow}], seconds=0, rounds=3)["a"] == pytest.approx(1.5 * timing.LONG)
    assert len(calls) == 1 + (1 + 1) + 1 + 1


def test_a_rest_before_all_groups_but_the_first(clock):
    calls = []
    groups = [{name: taking(clock, 0.0, calls, name)} for name in "abc"]
    timing.in_turns(groups, seconds=100, rounds=4, rest=0.1)
    assert clock[0] == pytest.approx(4 * 2 * 0.1)


def test_what_is_told_of_the_times(clock):
    function = taking(clock, [9.0, 9.0, 0.3, 0.1, 0.2], [], "a")
    assert timing.in_turns([{"a": function}], 0, 3, told=timing.spread)["a"] == pytest.approx((0.2, 0.1, 0.3))


def test_how_busy_the_machine_was():
    assert re.search(r"\d% of the machine meanwhile|not known", timing.Others().told())


# --------------------------------------------------------------------------------------------------------- crossovers

SIZES = (100, 10_000, 1_000_000)


@pytest.mark.parametrize(
    ("cpu", "gpu", "size", "words"),
    [
        ((1, 10, 100), (10, 10, 10), 10_000, "from 10,000"),
        ((1, 10, 1000), (10, 100, 100), 100_000, "from 100,000"),
        ((2, 20, 200), (1, 1, 1), 0, "throughout, 100 and more"),
        ((1, 1, 1), (2, 2, 2), np.inf, "never up to 1,000,000"),
        ((1, 10, 10), (2, 2, 20), np.inf, "never up to 1,000,000"),  # what it had it lost again
        ((10, 1, 100), (1, 10, 10), 100_000, "from 100,000"),  # the last time counts
        ((1, 1, 1), (1, 1, 1), np.inf, "never up to 1,000,000"),
    ],
)
def test_crossover(cpu, gpu, size, words):
    found = tables.crossover(list(zip(SIZES, cpu)), list(zip(SIZES, gpu)))
    assert found == pytest.approx(size)
    assert tables.told(found, SIZES) == words


# --------------------------------------------------------------------------------------------- tables, JSON, pictures


def lines_of(report, heading):
    """The cells of the table below a heading, the head first."""
    part = report.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]


@pytest.mark.parametrize("name", ["beside_numpy", "beside_standin"])
def test_the_table(name, request):
    results = request.getfixturevalue(name)
    report = tables.markdown(results)
    assert report.startswith(f"# {results.title}\n")
    for words in ("- date: ", "- processor: ", "BLAS", "- variables of BLAS and threads: ", "of the machine meanwhile"):
        assert words in report
    for family in programs.FAMILIES:
        head, rule, *lines = lines_of(report, family.capitalize())
        assert {len(line) for line in (head, rule, *lines)} == {3 + len(results.columns) + len(results.ratios)}
        assert head[3 : 3 + len(results.columns)] == [f"{column}, µs" for column in results.columns]
        members = [p for p in (*PROGRAMS, *STEPS) if p.family == family]
        assert len(lines) == len(members) * 2 * (1 if family == STEP else 2)
        for line, row in zip(lines, results.select(family=family), strict=True):
            assert line[:3] == [row.name, row.mode, f"{row.size:,}"]
            for cell, column in zip(line[3:], results.columns):
                assert float(cell.replace(",", "")) == pytest.approx(row.seconds[column] * 1e6, abs=0.051)
    ratios = lines_of(report, "Ratios, geometric means")
    assert len(ratios) == 2 + 2 * len(programs.FAMILIES)
    assert all(cell == "" or re.fullmatch(r"[\d,.]+ ×", cell) for line in ratios[2:] for cell in line[2:])


def test_who_is_beside_whom(beside_numpy, beside_standin):
    torch, absent = contenders.torches({"cpu": "PyTorch"})
    assert beside_numpy.columns == ["NumPy by hand", "minigrad", *(["PyTorch"] if torch else [])]
    assert beside_standin.columns == ["minigrad on NumPy", "minigrad on standin", *(["PyTorch CPU"] if torch else [])]
    assert beside_numpy.races == []
    assert beside_standin.races == [("minigrad on NumPy", "minigrad on standin")]
    assert bool(absent) == any("left out: PyTorch" in note for note in beside_numpy.notes)


def test_the_ratio_is_that_of_the_columns(beside_numpy):
    report = tables.markdown(beside_numpy)
    row = beside_numpy.rows[0]
    cells = lines_of(report, "Elementwise")[2]
    assert cells[len(beside_numpy.columns) + 3] == tables.ratio(row.seconds["minigrad"] / row.seconds["NumPy by hand"])
    family = beside_numpy.select(family="products", size=100, mode=BOTH)
    expected = np.exp(np.mean([np.log(r.seconds["minigrad"] / r.seconds["NumPy by hand"]) for r in family]))
    line = next(line for line in lines_of(report, "Ratios, geometric means") if line[:2] == ["products", "100"])
    assert line[2 + len(beside_numpy.ratios)] == tables.ratio(expected)


def test_crossovers_are_told(beside_standin):
    lines = lines_of(tables.markdown(beside_standin), "Where the GPU overtakes the CPU")
    assert lines[0][2] == "forward: minigrad on standin ahead of minigrad on NumPy"
    assert [line[0] for line in lines[2:4]] == ["**elementwise**", "elementwise: add"]
    assert len(lines) == 2 + len(programs.FAMILIES) + len(PROGRAMS) + len(STEPS)
    words = {cell.split()[0] for line in lines[2:] for cell in line[2:] if cell}
    assert words <= {"from", "never", "throughout"}


@pytest.mark.parametrize("name", ["beside_numpy", "beside_standin"])
def test_json(name, request):
    results = request.getfixturevalue(name)
    data = json.loads(tables.as_json(results))
    assert data["name"] == results.name
    assert data["columns"] == results.columns
    assert len(data["rows"]) == len(MODES) * 2 - len(STEPS) * 2
    for row in data["rows"]:
        assert row.keys() == {"family", "name", "mode", "size", "seconds"}
        assert list(row["seconds"]) == results.columns
        assert all(0 < t < 10 for t in row["seconds"].values())
    assert len(data["crossovers"]) == len(results.races) * (2 * (4 + len(PROGRAMS)) + 1 + len(STEPS))
    assert any("processor" in line for line in data["machine"])


@pytest.mark.parametrize("name", ["beside_numpy", "beside_standin"])
def test_the_picture(name, request, tmp_path):
    results = request.getfixturevalue(name)
    page = pictures.picture(results)
    draw.save(page, tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert len(page.axes) == 10  # forward and both for four families, two batches
    titles = [axes.get_title() for axes in page.axes]
    assert {"elementwise, forward", "indexing, forward + backward", "training step, batch 256"} <= set(titles)
    for axes in page.axes:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        thick = [line for line in axes.lines if line.get_linewidth() > 2]
        assert len(thick) == len(results.columns)
        written = [text.get_text() for text in axes.texts]
        assert set(map(pictures.short_name, results.columns)) <= set(written)
        assert sum(" ahead: " in text for text in written) == len(results.races)
        assert list(axes.get_xticks()) == list(LITTLE["widths" if "step" in axes.get_title() else "sizes"])
    line = page.axes[0].lines[0]  # the first operation, as the first column has it
    times = [row.seconds[results.columns[0]] for row in results.select(name="add", mode=FORWARD)]
    np.testing.assert_allclose(line.get_ydata(), np.divide(times, LITTLE["sizes"]) * 1e9)


def made_up(cpu, gpu):
    """Results where the seconds are these, at SIZES."""
    rows = [
        tables.Row(p.family, p.name, mode, n, {"minigrad on NumPy": a, "minigrad on CuPy": b})
        for p, mode in [(PROGRAMS[0], FORWARD), (PROGRAMS[0], BOTH), (STEPS[0], WHOLE)]
        for n, a, b in zip(SIZES, cpu, gpu)
    ]
    columns = list(rows[0].seconds)
    return tables.Results("backends", "Made up", [], columns, [], [tuple(columns)], rows)


def test_the_picture_marks_where_the_lines_cross():
    page = pictures.picture(made_up((1e-6, 1e-5, 1e-3), (1e-5, 1e-4, 1e-4)))
    for axes in page.axes:
        ring = next(line for line in axes.lines if line.get_fillstyle() == "none")
        assert ring.get_xdata()[0] == pytest.approx(100_000)
        y = 1e-4 / 1e5 * 1e9 if "forward" in axes.get_title() else 0.1
        assert ring.get_ydata()[0] == pytest.approx(y, rel=1e-6)
        assert "CuPy ahead: from 100,000" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("gpu", [(1e-7,) * 3, (1.0,) * 3])
def test_the_picture_marks_nothing_where_no_lines_cross(gpu):
    page = pictures.picture(made_up((1e-6, 1e-5, 1e-3), gpu))
    assert all(line.get_fillstyle() != "none" for axes in page.axes for line in axes.lines)


def test_one_size_can_be_drawn():
    results = made_up((1e-6,), (1e-5,))
    pictures.picture(results).canvas.draw()
    assert "never up to 100" in tables.markdown(results)


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.9, 0.1], [0.9, 0.1]),
        ([0.52, 0.5, 0.48], [0.6, 0.5, 0.4]),
        ([0.3, 0.5, 0.5, 0.6], [0.3, 0.45, 0.55, 0.65]),
    ],
)
def test_names_are_spread(heights, expected):
    found = pictures.spread(heights, 0.1)
    if len(heights) < 4:
        np.testing.assert_allclose(found, expected)
    assert all(b - a > 0.1 - 1e-9 for a, b in zip(sorted(found), sorted(found)[1:]))


# ------------------------------------------------------------------------------------------------ what is not there


def test_without_cupy(few, monkeypatch):
    as_cupy(monkeypatch, None, None)
    results = by_backend.run(**LITTLE)
    assert "minigrad on CuPy" not in results.columns
    assert results.races == []
    report = tables.markdown(results)
    assert "- left out: minigrad on CuPy: the device 'cuda' needs CuPy, which is not installed" in report
    assert "overtakes" not in report


def test_with_cupy_but_no_gpu(few, monkeypatch):
    def arange(n):
        raise RuntimeError("cudaErrorNoDevice")

    cupy = types.ModuleType("cupy")
    cupy.arange, cupy.__version__ = arange, "14.0"
    as_cupy(monkeypatch, cupy, standin.cupyx)
    report = tables.markdown(by_backend.run(**LITTLE))
    assert re.search(
        r"- left out: minigrad on CuPy: CuPy 14.0 is installed, but no GPU answers .*cudaErrorNoDevice", report
    )


def test_with_cupy_and_a_gpu(few, monkeypatch):
    as_cupy(monkeypatch, standin.cupy, standin.cupyx)
    monkeypatch.setattr(
        standin.cupy.cuda.runtime, "getDeviceProperties", lambda i: {"name": b"Imagined"}, raising=False
    )
    monkeypatch.setitem(backends.NAMESPACES, standin.cupy.ndarray, backends.backend("standin"))
    results = by_backend.run(**LITTLE)
    assert results.columns[:2] == ["minigrad on NumPy", "minigrad on CuPy"]
    assert results.races[0] == ("minigrad on NumPy", "minigrad on CuPy")
    assert "- GPU: Imagined; CuPy 14.2.0, products of float32 without TF32" in tables.markdown(results)


@pytest.mark.parametrize("benchmark_of", [operations, by_backend], ids=["operations", "backends"])
def test_without_torch(few, no_torch, benchmark_of):
    results = benchmark_of.run(**LITTLE)
    assert not [column for column in results.columns if "PyTorch" in column]
    assert "- left out: PyTorch: it cannot be imported" in tables.markdown(results)
    pictures.picture(results).canvas.draw()


def test_a_gpu_that_pytorch_lacks():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("PyTorch has a GPU")
    found, missing = contenders.torches({"cpu": "PyTorch CPU", "cuda": "PyTorch CUDA"})
    assert [c.name for c in found] == ["PyTorch CPU"]
    assert missing == [f"PyTorch CUDA: PyTorch {torch.__version__} sees no GPU"]


def test_threads_are_as_many_as_numpys():
    torch = pytest.importorskip("torch")
    contenders.torches({"cpu": "PyTorch"})
    assert torch.get_num_threads() == contenders.threads()


# -------------------------------------------------------------------------------------------------------------- twins

TWINS = [pytest.param(c, id=f"{c.name}: {c.size}") for c in twins.CALLS]


def operations_of(y):
    """All operations in the graph of y."""
    return {node.op for node in reachable([y.node]) if hasattr(node, "op")}


def test_every_twin_has_a_line():
    assert {name for name, c in COMPOSITIONS.items() if c.twin} == {c.name for c in twins.CALLS}


@pytest.mark.parametrize("call", TWINS)
def test_with_and_without_the_twin(call):
    inputs, twin = call.inputs(), COMPOSITIONS[call.name].twin[0]
    (with_it, without), *_ = twins.contenders()[0]
    assert twin in operations_of(with_it.calls(call, inputs)[FORWARD]())
    assert twin not in operations_of(without.calls(call, inputs)[FORWARD]())


@pytest.mark.parametrize("call", TWINS)
def test_pytorch_computes_what_the_twin_does(call):
    pytest.importorskip("torch")
    ((ours, _), (theirs,)), _ = twins.contenders()
    inputs = call.inputs()
    found, expected = (results_of(c, call, inputs) for c in (ours, theirs))
    for mode, arrays in expected.items():
        for mine, other in zip(found[mode], arrays, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


@pytest.fixture
def little_twins(monkeypatch):
    """Two calls, and times that are known."""
    monkeypatch.setattr(twins, "CALLS", [c for c in twins.CALLS if c.name in ("cross_entropy", "rms_norm")][1:])
    times = {"twin": (2e-3, 1e-3, 3e-3), "definition": (1e-3, 5e-4, 0.1), "PyTorch": (1.6e-3, 1e-3, 2e-3)}
    turns = lambda groups, *args: {name: times[name] for group in groups for name in group}
    monkeypatch.setattr(twins, "in_turns", turns)


def test_the_table_of_twins(little_twins):
    report = twins.report()
    torch = "PyTorch" in report.partition("| what")[2]
    (line, _) = [line for line in report.splitlines() if "| cross_entropy" in line or "| rms_norm" in line]
    cells = ["cross_entropy", "1024 × 65", "2,000 (1,000 – 3,000)", "1,000 (500 – 100,000)"]
    cells += ["1,600 (1,000 – 2,000)", "2.00 ×", "1.25 ×"] if torch else ["2.00 ×"]
    assert line == f"| {' | '.join(cells)} |"
    assert "- not faster than their definition: cross_entropy (1024 × 65); rms_norm (1024 × 128)" in report
    assert ("- 1.5 × PyTorch's time or more: none" in report) == torch
    for words in ("- date: ", "- processor: ", "BLAS", "- variables of BLAS and threads: ", "of the machine meanwhile"):
        assert words in report


def test_twins_without_torch(little_twins, no_torch):
    report = twins.report()
    assert "- left out: PyTorch: it cannot be imported" in report
    assert "| what | size | twin | definition | twin / definition |" in report


def test_the_command_for_twins(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(twins, "CALLS", twins.CALLS[2:3])
    command.main(["twins", "--quick", "--out", str(tmp_path)])
    assert [file.name for file in tmp_path.iterdir()] == ["twins.md"]
    assert "| cross_entropy | 256 × 10 |" in capsys.readouterr().out


# --------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("name", ["operations", "backends"])
def test_the_command(few, name, tmp_path, capsys):
    command.main([name, "--quick", "--out", str(tmp_path / "a")])
    told = capsys.readouterr()
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == [
        f"{name}.{end}" for end in ("json", "md", "png")
    ]
    report = (tmp_path / "a" / f"{name}.md").read_text(encoding="utf8")
    assert told.out.startswith(report)
    assert "| add | forward | 10,000 |" in report
    assert "add, 100" in told.err  # progress


def test_without_a_folder_nothing_is_written(few, no_torch, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command.main(["operations", "--quick"])
    assert capsys.readouterr().out.startswith("# Operations")
    assert list(tmp_path.iterdir()) == []


def test_overhead(tmp_path, capsys):
    command.main(["overhead", "--rounds", "2", "--out", str(tmp_path)])
    assert [file.name for file in tmp_path.iterdir()] == ["overhead.md"]
    assert "| what | minigrad | NumPy by hand | over | bound | met |" in capsys.readouterr().out
