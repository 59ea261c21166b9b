"""Changes in place: where they are allowed, where they are refused, and that no gradient ever uses a changed value.

A gradient that is wrong without a word is the worst that can happen here; an alarm without a cause comes next. So each
refusal below stands beside a neighbour that is allowed.
"""

from __future__ import annotations

import gc
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import InplaceError, inplace, locks, nn, optim


def leaf(values, device="cpu"):
    return mg.tensor(np.array(values, np.float64), requires_grad=True, device=device)


def constant(values, device="cpu"):
    return mg.tensor(np.array(values, np.float64), device=device)


def values(t):
    return t.detach().numpy().tolist()


# ---------------------------------------------------------------------------------------------- x += y, w -= lr g


def test_augmented_assignment_gives_a_new_tensor():
    """The name is bound anew, the old tensor keeps its value: no graph can lose it."""
    x = leaf([1.0, 2.0])
    y = old = x * x
    y += 1
    y *= y
    y -= 3
    y /= 2
    assert values(old) == [1, 4]
    y.sum().backward()  # y = ((x² + 1)² − 3) / 2,  y' = 2x (x² + 1)
    assert values(x.grad) == [4, 20]


def test_augmented_assignment_of_a_constant_leaves_other_names_alone():
    a = b = constant([1.0, 2.0])
    a += 1
    with mg.no_grad():
        a += 1
    assert values(a) == [3, 4]
    assert values(b) == [1, 2]


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "//", "%", "**", "@"])
def test_an_update_while_recording_is_refused_with_the_cure(symbol):
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(InplaceError, match=f"(?s)x {re.escape(symbol)}= .*with minigrad.no_grad"):
        exec(f"w {symbol}= other", {}, {"w": w, "other": constant([[2.0, 1.0], [1.0, 2.0]])})
    assert values(w) == [[1, 2], [3, 4]]
    assert w.requires_grad


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "//", "%", "**", "@"])
def test_an_update_under_no_grad_writes(symbol):
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    same, memory, node = w, w.data, w.node
    names = {"w": w, "v": np.array(values(w)), "other": constant([[2.0, 1.0], [1.0, 2.0]])}
    names["array"] = names["other"].numpy()
    with mg.no_grad():
        exec(f"w {symbol}= other", {}, names)
    assert names["w"] is same
    assert w.data is memory
    assert w.node is node
    assert values(w) == eval(f"(v {symbol} array).tolist()", {}, names)


def test_training_by_hand(device):
    """Fits y = 2x: the loop that every lesson writes."""
    x = constant([1.0, 2.0, 3.0], device)
    w, b = leaf(0.0, device), leaf(1.0, device)
    for _ in range(400):
        loss = ((w * x + b - 2 * x) ** 2).mean()
        loss.backward()
        with mg.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
        w.zero_grad()
        b.zero_grad()
    assert abs(w.item() - 2) < 1e-3
    assert abs(b.item()) < 1e-3
    assert w.is_leaf
    assert w.requires_grad


def test_an_update_must_fit():
    w = leaf([1.0, 2.0])
    with mg.no_grad(), pytest.raises(ValueError, match=r"x \+= .*\(3, 2\) does not fit into \(2,\)"):
        w += constant(np.ones((3, 2)))
    assert values(w) == [1, 2]


# ------------------------------------------------------------------------------------------ x[i] = v and assign_


def test_constants_may_be_written_to(device):
    x = constant(np.zeros((2, 3)), device)
    x[0, 1] = 5
    x[1] = [1.0, 2.0, 3.0]
    x[:, 0] = np.array([7.0, 8.0])
    x[x == 5] = mg.tensor(6.0, dtype="float64", device=device)
    assert values(x) == [[7, 6, 0], [8, 2, 3]]
    memory = x.data
    assert x.assign_(np.ones((2, 3))) is x
    assert x.assign_(4) is x
    assert x.data is memory
    assert values(x) == [[4, 4, 4], [4, 4, 4]]


def test_a_write_keeps_the_dtype():
    x = mg.zeros(2)
    x[0] = np.float64(1.5)
    x[1] = np.array([2.5])[0]
    x.assign_(x + np.ones(2))
    assert x.dtype == np.float32
    assert values(x) == [2.5, 3.5]


@pytest.mark.parametrize("value", [1.5, np.float64(1.5), np.array(1.5), [1.5, 1.5], mg.tensor(1.5)], ids=repr)
def test_floats_are_not_cut_down_to_integers(value):
    x = mg.tensor([1, 2])
    with pytest.raises(TypeError, match=r"float.*int64.*astype"):
        x[:] = value
    assert values(x) == [1, 2]


@pytest.mark.parametrize(
    "write",
    [lambda x, v: x.__setitem__(0, v), lambda x, v: x.__setitem__(slice(None), v), lambda x, v: x.assign_(v)],
    ids=["x[0] =", "x[:] =", "assign_"],
)
class TestWhereAGraphIsConcerned:
    def test_a_result_is_never_written_to(self, write):
        y = leaf([1.0, 2.0]) * 3
        with pytest.raises(InplaceError, match=r"result of multiply.*detach\(\)"):
            write(y, 0)
        with mg.no_grad(), pytest.raises(InplaceError, match=r"result of multiply"):
            write(y, 0)
        assert values(y) == [3, 6]
        write(y.detach(), 0)
        assert 0 in y.detach()

    def test_a_leaf_is_written_to_under_no_grad(self, write):
        w = leaf([1.0, 2.0])
        with pytest.raises(InplaceError, match=r"leaf.*with minigrad\.no_grad"):
            write(w, 0)
        assert values(w) == [1, 2]
        with mg.no_grad():
            write(w, 0)
        assert w.requires_grad
        assert 0 in w.detach()

    def test_a_value_that_requires_gradients_would_lose_them(self, write):
        x, v = constant([1.0, 2.0]), leaf(5.0)
        for value in (v, v * 2):
            with pytest.raises(InplaceError, match=r"value requires gradients.*detach\(\)"):
                write(x, value)
        assert values(x) == [1, 2]
        write(x, v.detach())
        with mg.no_grad():
            write(x, v)
        assert 5 in x

    def test_a_value_that_does_not_fit_changes_nothing(self, write):
        x = constant([1.0, 2.0])
        with pytest.raises(ValueError, match=r"\(5,\).*does not fit.*\(2,\)|sequence"):
            write(x, np.ones(5))
        assert values(x) == [1, 2]


def test_indices_that_do_not_exist():
    x = constant([1.0, 2.0])
    with pytest.raises(IndexError):
        x[5] = 1
    with pytest.raises(IndexError, match="float"):
        x[1.0] = 1


# ------------------------------------------------------------------------------------- a saved value that changed


def test_a_changed_value_is_refused_and_both_operations_named(device):
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    y = (x * c).sum()
    c[0] = 100.0
    with pytest.raises(InplaceError, match=r"multiply needs the value of b \(2,\).*x\[\.\.\.\] = … changed it"):
        y.backward()
    assert x.grad is None
    c.assign_([0.0, 0.0])
    with pytest.raises(InplaceError, match="assign_ changed it"):
        y.backward()


def test_a_changed_leaf_is_refused(device):
    w = leaf([1.0, 2.0], device)
    y = (w * w).sum()
    with mg.no_grad():
        w -= 1.0
    with pytest.raises(InplaceError, match=r"multiply needs the value of [ab] .*x -= … changed it"):
        y.backward()
    (w * w).sum().backward()  # recorded after the write
    assert values(w.grad) == [0, 2]


VIEWS = {
    "slice": lambda x: x[:1],
    "backwards": lambda x: x[::-1],
    "reshaped": lambda x: x.reshape(2, 1),
    "transposed": lambda x: x.T,
    "detached": lambda x: x.detach(),
    "view of a view": lambda x: x[:2][:1].reshape(1, 1),
    "with an axis": lambda x: x[None],
    "shared with asarray": lambda x: mg.asarray(x.data),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_their_fate(name, device):
    """A view is written to and the whole was saved, or the other way round."""
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    y = (x * c).sum()
    VIEWS[name](c).assign_(100.0)
    with pytest.raises(InplaceError, match="multiply"):
        y.backward()
    x, c = leaf(2.0, device), constant([3.0, 4.0], device)
    y = (x * VIEWS[name](c)).sum()
    c.assign_([0.0, 0.0])
    with pytest.raises(InplaceError, match="multiply"):
        y.backward()


@pytest.mark.parametrize("name", VIEWS)
def test_views_of_a_result_that_was_saved(name, device):
    """tanh saves its output; what looks into it is outside the graph, and may be written to, but not unseen."""
    x = leaf([1.0, 2.0], device)
    t = x.tanh()
    VIEWS[name](t.detach()).assign_(0.0)
    with pytest.raises(InplaceError, match=r"tanh needs the value of y"):
        t.sum().backward()


@pytest.mark.parametrize("name", ["slice", "backwards", "reshaped", "transposed", "detached"])
def test_a_numpy_view_is_a_view(name):
    memory = np.array([3.0, 4.0])
    x, c = leaf([1.0, 2.0]), mg.asarray(memory)
    y = (x * c).sum()
    VIEWS[name](mg.asarray(memory[:])).assign_(0.0)
    with pytest.raises(InplaceError):
        y.backward()


def test_one_element_is_the_same_thing_on_every_backend():
    """Memory of its own or a view, but not a copy here and a view there."""
    found = []
    for device in ("cpu", "standin"):
        x = constant([3.0, 4.0], device)
        x[0].assign_(9.0)
        found.append(values(x))
    assert found[0] == found[1]


def test_indices_are_values_too():
    x, index = leaf([1.0, 2.0, 3.0]), mg.tensor([0, 2])
    y = x[index].sum()
    index[0] = 1
    with pytest.raises(InplaceError, match="getitem needs the value of index"):
        y.backward()


def test_the_inputs_of_concatenate_are_not_needed():
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    y = mg.concatenate([x, c]).sum()
    c[0] = 9.0
    y.backward()
    assert values(x.grad) == [1, 1]


def test_fast_twins_are_watched_too(device):
    x, w, b = leaf(np.ones((2, 3)), device), leaf(np.ones((4, 3)), device), leaf(np.ones(4), device)
    y = mg.linear(x, w, b).sum()
    with mg.no_grad():
        b.assign_(0.0)
    gx = mg.grad(y, x, keep_graph=True)  # b is not needed for the first order
    assert values(gx) == [[4, 4, 4]] * 2
    with mg.no_grad():
        w.assign_(0.0)
    with pytest.raises(InplaceError, match="linear needs the value of weight"):
        mg.grad(y, x)


def test_no_gradient_is_wrong_at_the_second_order():
    """∂(c x³) = 3 c x²; its derivative 6 c x needs x, and the product with c, which is an array of its own by then."""
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    first = mg.grad((x**3 * c).sum(), x, create_graph=True)
    c[0] = 100.0
    assert values(mg.grad(first.sum(), x, keep_graph=True)) == [18, 48]
    with mg.no_grad():
        x += 1.0
    with pytest.raises(InplaceError, match="x \\+= … changed it"):
        mg.grad(first.sum(), x)


def test_a_second_walk_after_a_write():
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    y = (x * c).sum()
    y.backward(keep_graph=True)
    c[0] = 100.0
    with pytest.raises(InplaceError):
        y.backward()
    assert values(x.grad) == [3, 4]


# ------------------------------------------------------------------------------------------------ no false alarms


def test_a_value_that_no_formula_needs_may_change(device):
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    y = (x + c - c).sum()
    c[0] = 100.0
    with mg.no_grad():
        x += 100.0
    y.backward()
    assert values(x.grad) == [1, 1]


def test_a_write_before_the_recording_is_no_change(device):
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    older = x + 1
    c[0] = 5.0
    y = (older * c).sum()
    y.backward()
    assert values(x.grad) == [5, 4]


def test_a_write_to_other_memory_is_no_change(device):
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    y = (x * c).sum()
    c.copy()[0] = 100.0
    constant([3.0, 4.0], device)[0] = 100.0
    y.backward()
    assert values(x.grad) == [3, 4]


def test_memory_that_is_used_again_is_new_memory():
    """An address with a stamp may be handed out again: the stamp went with the array."""
    x, total = leaf([1.0, 2.0]), 0.0
    for i in range(100):
        c = constant([float(i), 1.0])
        y = (x * c).sum()
        del c
        constant([5.0, 5.0])[0] = 7.0
        y.backward()
        total += i
    assert values(x.grad) == [total, 100]


def test_a_write_in_a_part_of_the_graph_that_is_not_asked():
    x, w, c = leaf([1.0, 2.0]), leaf([1.0, 1.0]), constant([3.0, 4.0])
    y = (x * 2 + w * c).sum()
    c[0] = 100.0
    assert values(mg.grad(y, x, keep_graph=True)) == [2, 2]
    with pytest.raises(InplaceError):
        mg.grad(y, w)


def test_the_value_of_the_input_that_is_asked_may_change():
    """∂(x w)/∂x = w: x itself is saved for the other input only."""
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (x * w).sum()
    with mg.no_grad():
        x += 1.0
    assert values(mg.grad(y, x, keep_graph=True)) == [3, 4]
    with pytest.raises(InplaceError):
        mg.grad(y, w)


# ------------------------------------------------------------------------------------------------------ the stamps


def test_stamps_go_with_their_arrays():
    gc.disable()
    try:
        before = len(inplace.writes)
        kept = constant([1.0, 2.0])
        for _ in range(100):
            x = constant([1.0, 2.0])
            x[0] = 5.0
            x[:1].assign_(6.0)
            kept[0] = 7.0
        assert len(inplace.writes) == before + 2, "x and kept"
        del x, kept
        assert len(inplace.writes) == before
    finally:
        gc.enable()


def test_an_update_leaves_one_stamp():
    w = leaf([1.0, 2.0])
    before = len(inplace.writes)
    with mg.no_grad():
        for _ in range(10):
            w -= 0.1
    assert len(inplace.writes) == before + 1


def test_writes_behind_the_back_go_unseen():
    """NumPy does not tell: the gradient uses the new value. The module says so."""
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    y = (x * c).sum()
    c.data[0] = 100.0
    y.backward(keep_graph=True)
    assert values(x.grad) == [100, 4]
    x.zero_grad()
    c.numpy()[0] = 7.0
    y.backward()
    assert values(x.grad) == [7, 4]
    told = " ".join(inplace.__doc__.split())
    assert "Writes through `.data` or `.numpy()` go unseen" in told


# ---------------------------------------------------------------------------------------- what was changed, and where


def refused(function):
    with pytest.raises(InplaceError) as info:
        function()
    return str(info.value)


def line_here(text):
    """The line of this file that holds the text, as an error names it."""
    lines = Path(__file__).read_text(encoding="utf8").splitlines()
    (number,) = (i for i, line in enumerate(lines, 1) if line.strip() == text)
    return rf"test_inplace\.py:{number} in \w+: {re.escape(text)}"


def write_by_index(c):
    c[0] = 111.0


def write_by_assign(c):
    c.assign_(112.0)


def write_to_a_view(c):
    c[1:].assign_(113.0)


def write_by_update(c):
    c.requires_grad_()
    with mg.no_grad():
        c -= 114.0


def write_by_optimiser(c):
    c.requires_grad_().grad = c.detach() * 115.0
    optim.SGD([c], lr=1.0).step()


WRITES = {
    write_by_index: ("x[...] = …", "c[0] = 111.0"),
    write_by_assign: ("assign_", "c.assign_(112.0)"),
    write_to_a_view: ("assign_", "c[1:].assign_(113.0)"),
    write_by_update: ("x -= …", "c -= 114.0"),
    write_by_optimiser: ("SGD.step", "optim.SGD([c], lr=1.0).step()"),
}


@pytest.mark.parametrize("write", WRITES, ids=lambda f: f.__name__)
def test_the_error_says_what_was_saved_what_changed_it_and_where(write, device):
    what, text = WRITES[write]
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    y = (x * c).sum()
    write(c)
    told = refused(y.backward)
    assert told.startswith(f"multiply needs the value of b (2,) for its gradient, but {what} changed it in place")
    assert re.search(f"changed at .*{line_here(text)}\n", told)
    assert "the line of multiply is told in anomaly mode" in told
    assert x.grad is None


def test_in_anomaly_mode_it_names_the_operation_that_saved_it(device):
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    with mg.detect_anomaly():
        product = x * c
    write_by_index(c)
    told = refused(product.sum().backward)
    assert re.search(f"multiply was called at .*{line_here('product = x * c')}\n", told)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "shared with asarray"])
def test_a_view_that_was_saved_and_a_base_that_was_written_to(name, device):
    """The error has the shape of what was saved, not of what was written to."""
    x, c = leaf(2.0, device), constant([3.0, 4.0], device)
    view = VIEWS[name](c)
    y = (x * view).sum()
    write_by_index(c)
    assert f"the value of b {view.shape}" in refused(y.backward)


def test_a_step_between_two_walks(device):
    """What everybody does once: a second loss from before the step."""
    w = leaf([[1.0, 2.0]], device)
    adam = optim.Adam([w], lr=0.1)
    x = leaf(np.ones((3, 2)), device)
    first, second = (mg.linear(x, w) ** 2).mean(), mg.linear(x, w).mean()
    first.backward()
    adam.step()
    told = refused(second.backward)
    assert "linear needs the value of weight (1, 2)" in told
    assert "Adam.step changed it" in told
    assert re.search(f"changed at .*{line_here('adam.step()')}\n", told)


def test_a_graph_of_a_gradient_is_watched_too(device):
    """∂(c x³) = 3 c x²; its derivative needs x, which was written to in between."""
    x, c = leaf([1.0, 2.0], device), constant([3.0, 4.0], device)
    with mg.detect_anomaly():
        y = (x * x * x * c).sum()
        first = mg.grad(y, x, create_graph=True)
    assert values(mg.grad(first.sum(), x, keep_graph=True)) == [18, 48]
    write_by_update(x)
    told = refused(lambda: mg.grad(first.sum(), x))
    assert re.search(f"changed at .*{line_here('c -= 114.0')}\n", told)
    assert re.search(f"gradient of multiply, called at .*{line_here('y = (x * x * x * c).sum()')}\n", told)
    assert re.search(f"was asked for at .*{line_here('first = mg.grad(y, x, create_graph=True)')}\n", told)


def test_a_checkpoint_says_where_too():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = mg.checkpoint(lambda x: x * w, x).sum()
    write_by_update(w)
    assert re.search(f"after the first run, at .*{line_here('c -= 114.0')}", refused(y.backward))


def test_an_address_that_is_used_again_is_no_written_memory():
    """The stamp goes with its owner, so that a new array at the same address is clean."""
    x = leaf([1.0, 2.0])
    for _ in range(200):
        c = constant([3.0, 4.0])
        write_by_index(c)
        key = id(c.data)
        del c
        d = constant([3.0, 4.0])
        y = (x * d).sum()
        if id(d.data) == key:
            y.backward()
            return
    pytest.skip("no address was used again")


# ------------------------------------------------------------------------------------------------------ debug mode


def test_a_write_behind_the_back_is_caught_where_it_happens():
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])

    def behind():
        with mg.debug():
            y = (x * c).sum()
            assert y.requires_grad
            c.data[0] = 100.0

    with pytest.raises(ValueError, match="read-only") as info:
        behind()
    (note,) = info.value.__notes__
    assert note.startswith("debug mode: arrays that a graph keeps for its gradients are read-only until backward()")
    assert re.search(
        r"\(2,\) is needed by multiply \(.*test_inplace\.py:\d+ in behind: y = \(x \* c\)\.sum\(\)\)", note
    )
    assert values(c) == [3, 4]


@pytest.mark.parametrize(
    "write",
    [
        lambda c: c.numpy().__setitem__(0, 1.0),
        lambda c: c.data.fill(1.0),
        lambda c: c.data[::-1].__setitem__(0, 1.0),
        lambda c: np.add(c.data, 1.0, out=c.data),
    ],
    ids=["numpy()", "fill", "a view", "out="],
)
def test_arrays_are_locked_until_backward(write):
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    with mg.debug():
        y = (x * c).sum()
        with pytest.raises(ValueError, match="read-only"):
            write(c)
        y.backward()
        write(c)
    assert values(x.grad) == [3, 4]


def test_leaves_are_locked_too_and_what_nobody_needs_is_not():
    w, b = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    with mg.debug():
        y = (w * w + b).sum()
        assert not w.data.flags.writeable
        b.data[0] = 5.0
        with mg.no_grad(), pytest.raises(InplaceError, match=r"x -= ….* is locked \(debug mode\).*multiply \(.*w \* w"):
            w -= 1.0
        optimizer = optim.SGD([w], lr=0.1)
        w.grad = w.detach() * 1.0
        with pytest.raises(InplaceError, match=r"SGD\.step.* is locked"):
            optimizer.step()
        w.grad = None
        y.backward()
        optimizer.step()
    assert w.data.flags.writeable


def test_a_graph_that_goes_unlocks():
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    with mg.debug():
        y = (x * c).sum()
    assert not c.data.flags.writeable, "the lock is the graph's, not the block's"
    z = (x * c).sum()  # outside of the mode: nothing is locked for this one
    del y
    assert c.data.flags.writeable
    assert id(c.data) not in locks.held
    z.backward()


def test_two_graphs_on_one_array():
    x, c = leaf([1.0, 2.0]), constant([3.0, 4.0])
    with mg.debug():
        first, second = (x * c).sum(), (x[:1] * c[:1]).sum()
        second.backward(keep_graph=True)
        first.backward()
        assert not c.data.flags.writeable
        with pytest.raises(InplaceError, match=r"getitem|multiply"):
            c[0] = 1.0
        del second
        c[0] = 1.0


def test_what_cannot_be_unlocked_is_not_locked():
    """Arrays that are read-only anyway stay so; memory that NumPy does not own could not be opened again."""
    memory = bytearray(np.ones(2).tobytes())
    foreign, closed = np.frombuffer(memory), np.ones(2)
    closed.flags.writeable = False
    x = leaf([1.0, 2.0])
    with mg.debug():
        y = (x * mg.asarray(foreign) * mg.asarray(closed) * 3.0).sum()
        assert foreign.flags.writeable
        y.backward()
    assert foreign.flags.writeable
    assert not closed.flags.writeable


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of log 0
def test_debug_mode_is_anomaly_mode_and_blocks_inside_keep_the_locks():
    x, c = leaf([0.0, 2.0]), constant([3.0, 4.0])
    with mg.debug():
        assert mg.is_anomaly_enabled()
        with pytest.raises(mg.AnomalyError):
            mg.log(x)
        with mg.detect_anomaly(inf=False):
            y = x * c
        assert not c.data.flags.writeable
        del y
    with mg.debug(inf=False):
        mg.log(x)

    @mg.debug
    def inside():
        y = x * c
        return c.data.flags.writeable, y

    assert inside()[0] is False
    assert c.data.flags.writeable


def test_on_a_device_it_says_that_it_cannot_lock():
    locks.cannot_lock.cache_clear()
    x, c = leaf([1.0, 2.0], "standin"), constant([3.0, 4.0], "standin")
    with mg.debug():
        with pytest.warns(UserWarning, match="debug mode cannot lock arrays on standin"):
            y = (x * c).sum()
        c[0] = 1.0
        with pytest.raises(InplaceError, match="multiply was called at"):
            y.backward()


def test_trainings_go_on_in_debug_mode():
    mg.seed(0)
    model = nn.Sequential(
        nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8, 2)
    )
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    x, t = mg.randn(6, 1, 6), mg.tensor([0, 1, 0, 1, 0, 1])
    losses = []
    with mg.debug():
        for _ in range(40):
            loss = mg.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.data.flags.writeable for p in model.parameters())


def test_a_write_is_seen_through_windows():
    """Windows are a view with strides of its own, which NumPy hangs on its memory by an object of another kind."""
    x, w = mg.arange(4.0), mg.ones((3, 2)).requires_grad_()
    y = (mg.windows(x, kernel=(2,), stride=(1,), dilation=(1,)) * w).sum()
    with mg.no_grad():
        x[0] = 100.0
    with pytest.raises(mg.InplaceError, match="multiply needs the value of a"):
        y.backward()


@pytest.mark.parametrize("nested", [False, True])
def test_a_write_is_seen_through_vmap(nested, device):
    """The samples of a batch look into the memory outside."""
    x = leaf([[[1.0, 2.0]], [[3.0, 4.0]]], device)

    def sample(row):
        return row * mg.sin(row).sum()

    y = mg.vmap(mg.vmap(sample) if nested else sample)(x).sum()
    with mg.no_grad():
        x[0] = 5.0
    with pytest.raises(InplaceError, match=r"needs the value of \w+ .*, but .* changed it in place"):
        y.backward()
