"""The lessons: each runs from top to bottom in a clean kernel, and what is committed under its cells is what comes out.

After a change to a lesson, or to what it shows, `python -m tests.test_lessons` runs them all and writes their outputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

WHY = "lessons are run by nbclient, nbformat and ipykernel: pip install 'minigrad[dev]'"
nbformat = pytest.importorskip("nbformat", reason=WHY)
nbclient = pytest.importorskip("nbclient", reason=WHY)
pytest.importorskip("ipykernel", reason=WHY)

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def read(path):
    return nbformat.read(path, as_version=4)


def execute(path, target):
    """Writes the notebook with the outputs of a new kernel, which sees this tree and nothing of this process."""
    from jupyter_client.manager import AsyncKernelManager

    notebook = read(path)
    metadata = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        sockets = {"transport": "ipc", "ip": f"{folder}/kernel"} if os.name == "posix" else {}
        manager = AsyncKernelManager(kernel_name="python3", **sockets)
        client = nbclient.NotebookClient(notebook, manager, timeout=120, record_timing=False, coalesce_streams=True)
        client.execute(cwd=str(path.parent), env=os.environ | {"PYTHONPATH": str(ROOT)}, cleanup_kc=True)
    notebook.metadata = nbformat.from_dict(metadata)  # without the version of Python
    nbformat.write(notebook, target)


def told(cell):
    """The text that a reader sees under a cell: printed, shown, and drawn."""
    parts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            assert output.name == "stdout", output.text
            parts.append(output.text)
        else:
            data = output.get("data", {})
            drawn = re.findall(r"<text[^>]*>([^<]*)</text>", data.get("image/svg+xml", ""))
            parts += drawn or [data.get("text/plain", "")]
    return "\n".join(parts)


def words_and_numbers(text):
    return NUMBER.sub("#", text).split(), [float(x) for x in NUMBER.findall(text)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_runs_and_its_outputs_are_current(path, tmp_path):
    """Words are compared, and numbers: their last digits belong to the machine. A process of its own talks to the
    kernel, for it leaves sockets open."""
    command = [sys.executable, "-m", "tests.test_lessons", str(path), str(tmp_path / path.name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    committed, fresh = read(path), read(tmp_path / path.name)
    for old, new in zip(committed.cells, fresh.cells, strict=True):
        if new.cell_type != "code":
            continue
        where = f"{path.name}, cell {new.execution_count}: run python -m tests.test_lessons"
        assert [o.output_type for o in old.outputs] == [o.output_type for o in new.outputs], where
        (words, numbers), (now, values) = words_and_numbers(told(old)), words_and_numbers(told(new))
        assert words == now, where
        np.testing.assert_allclose(numbers, values, rtol=1e-4, atol=1e-7, err_msg=where)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_is_in_order(path):
    """Cells were run once, from top to bottom, without an error; with a title, text, and pictures; small."""
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"
    number = int(path.stem.partition("_")[0])
    assert notebook.cells[0].source.startswith(f"# {number} · ")
    assert notebook.cells[-1].cell_type == "markdown"
    for before, cell in zip(notebook.cells, notebook.cells[1:]):
        assert before.cell_type == "markdown" or cell.cell_type == "markdown" or before.outputs, "code without a word"
    assert any("image/svg+xml" in o.get("data", {}) for cell in code for o in cell.outputs)
    assert path.stat().st_size < 200_000
    assert max(len(line) for cell in notebook.cells for line in cell.source.splitlines()) <= 120


def test_they_are_numbered_in_reading_order():
    assert [int(path.stem[:2]) for path in LESSONS] == list(range(1, len(LESSONS) + 1))
    assert len(LESSONS) >= 2


def test_a_stale_output_is_found():
    """The comparison above, on texts that differ."""
    assert words_and_numbers("J = 0.5, at 1e-3") == (["J", "=", "#,", "at", "#"], [0.5, 0.001])
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", name="stdout", text="a 24\n")])
    assert words_and_numbers(told(cell)) == (["a", "#"], [24.0])
    drawing = nbformat.v4.new_output("display_data", {"image/svg+xml": '<svg><text x="1">b = add</text></svg>'})
    assert told(nbformat.v4.new_code_cell(outputs=[drawing])) == "b = add"


if __name__ == "__main__":
    for path, target in [map(Path, sys.argv[1:])] if sys.argv[1:] else zip(LESSONS, LESSONS):
        execute(path, target)
        print(path.name)
