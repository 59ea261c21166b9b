"""tensor.pyi, from which editors learn the methods of Tensor, is what the generator writes."""

from __future__ import annotations

import ast

from minigrad.ops import stub


def test_the_stub_is_current():
    current = ast.dump(ast.parse(stub.STUB.read_text(encoding="utf8")))
    assert current == ast.dump(ast.parse(stub.stub())), "run `python -m minigrad.ops.stub`"
