"""Pictures of graphs: what they say is what is known of the graph, and they can be read: no box covers another, no edge
runs through a box, and text stays in its box, as a renderer measures it."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.path import Path as Curve

import minigrad as mg
from minigrad import draw, nn
from minigrad.draw import layout


def leaf(values):
    return mg.tensor(np.asarray(values, float), requires_grad=True)


def five_lines():
    a = mg.tensor(3.0, requires_grad=True)
    b = a + a
    c = b * b
    b.retain_grad()
    c.backward(keep_graph=True)
    return c, {"a": a, "b": b, "c": c}


def small_network():
    x, W, b, v, d = (
        mg.tensor(np.array([[1.0, 2.0]])),
        leaf(np.ones((3, 2)) / 7),
        leaf([0.1, 0, -1]),
        leaf([[1, -1, 2]]),
        leaf([0]),
    )
    h = mg.sigmoid(mg.linear(x, W, b))
    loss = (0.5 * (1 - mg.sigmoid(mg.linear(h, v, d))) ** 2).sum()
    loss.backward(keep_graph=True)
    return loss, {"x": x, "W": W, "b": b, "v": v, "h": h}


def classifier():
    rng = mg.Generator(0)
    net = nn.Sequential(nn.Linear(64, 16, rng=rng), nn.ReLU(), nn.Linear(16, 10, rng=rng))
    x, target = mg.randn(32, 64, generator=rng), mg.tensor(np.arange(32) % 10)
    return mg.cross_entropy(net(x), target), {"net": net, "x": x, "target": target}


def sixty():
    """Layers, penalties on all their parameters, and a value that is used far below."""
    rng = mg.Generator(0)
    net = nn.Sequential(
        nn.Linear(4, 3, rng=rng), nn.Tanh(), nn.Linear(3, 3, rng=rng), nn.Tanh(), nn.Linear(3, 2, rng=rng)
    )
    x = mg.ones(2, 4)
    with mg.twins(False):
        h = net[:2](x)
        loss = mg.cross_entropy(net[2:](h), mg.tensor([0, 1]))
        loss = loss + sum((p * p).sum() for p in net.parameters()) * 0.01 + mg.exp(h * h).mean() + h.sum()
    return loss, {"net": net, "x": x}


def shared_inputs():
    """Every product needs one of three inputs, so edges must cross."""
    x = [leaf(i) for i in range(3)]
    rows = [sum((leaf(i + j) * x[j] for j in range(3)), leaf(0)) for i in range(3)]
    return mg.sigmoid(sum((mg.tanh(r) * xi for r, xi in zip(rows, x)), leaf(0))), {
        f"x{i}": xi for i, xi in enumerate(x)
    }


def long_names():
    y = leaf([1e-30, -1.23456e25, 3]) * 2
    return y, {"encoder.layers.11.attention.projection.weight_of_the_heads": y, "two": y}


EXAMPLES = [five_lines, small_network, classifier, sixty, shared_inputs, long_names]


@pytest.fixture(params=EXAMPLES, ids=lambda f: f.__name__)
def picture(request):
    y, names = request.param()
    return draw.graph(y, names)


def title(picture):
    return [box.title for box in picture.boxes]


def box(picture, name):
    (found,) = [b for b in picture.boxes if b.title == name]
    return found


# ------------------------------------------------------------------------------------------------------ what it says


def test_the_example_of_five_lines():
    y, names = five_lines()
    a, b, c = draw.graph(y, names).boxes
    assert [x.title for x in (a, b, c)] == ["a", "b = add", "c = multiply"]
    assert [x.kind for x in (a, b, c)] == ["leaf", "operation", "operation"]
    assert [x.inputs for x in (a, b, c)] == [[], [0, 0], [1, 1]]
    assert [x.detail for x in (a, b, c)] == ["() float32"] * 3
    assert [x.rows for x in (a, b, c)] == [
        {"value": [["3"]], "grad": [["24"]]},
        {"value": [["6"]], "grad": [["12"]]},
        {"value": [["36"]]},
    ]
    assert [x.result for x in (a, b, c)] == [False, False, True]


def test_values_are_known_where_a_formula_keeps_them():
    """multiply keeps b for its derivative; nobody keeps a. The result is at hand."""
    y, _ = five_lines()
    a, b, c = draw.graph(y).boxes
    assert [x.title for x in (a, b, c)] == ["leaf", "add", "multiply"]
    assert "value" not in a.rows
    assert (b.rows["value"], c.rows["value"]) == ([["6"]], [["36"]])
    x = leaf(0)
    assert box(draw.graph(mg.exp(x) + x), "exp").rows == {"value": [["1"]]}  # which is its own derivative


def test_what_is_not_asked_for_is_not_shown():
    y, names = five_lines()
    assert [set(b.rows) for b in draw.graph(y, names, values=False).boxes] == [{"grad"}, {"grad"}, set()]
    assert [set(b.rows) for b in draw.graph(y, names, gradients=False).boxes] == [{"value"}] * 3


def test_a_network_of_modules():
    y, names = classifier()
    picture = draw.graph(y, names)
    parameters = ["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]  # made first
    assert title(picture) == [*parameters, "x", "linear", "relu", "linear", "target", "cross_entropy"]
    kinds = [b.kind for b in picture.boxes]
    assert [kinds.count(k) for k in ("constant", "parameter", "leaf", "operation")] == [2, 4, 0, 4]
    assert box(picture, "net.0.weight").detail == "(16, 64) float32"
    assert box(picture, "target").detail == "(32,) int64"
    assert box(picture, "cross_entropy").inputs == [7, 8]
    assert picture.boxes[5].inputs == [4, 0, 1]
    assert "0.weight" in title(draw.graph(y, names["net"]))  # a Module in place of the dict
    assert title(draw.graph(y)).count("leaf") == 4


def test_constants():
    """Numbers stand for themselves, arrays stand once; of what no formula keeps, nothing is known but that it was
    there. An input that was left out is not drawn."""
    x, data = leaf([1, 2]), mg.tensor(np.array([5.0, 7.0]))
    kept = draw.graph(x * data * 0.5 + data * x)
    assert title(kept) == ["leaf", "constant", "multiply", "0.5", "multiply", "multiply", "add"]
    assert kept.boxes[1].rows == {"value": [["5", "7"]]}
    assert [b.inputs for b in kept.boxes if b.title == "multiply"] == [[0, 1], [2, 3], [1, 0]]
    assert title(draw.graph(x * data * 0.5, {"data": data}))[1] == "data"
    assert title(draw.graph(x * 0.5, values=False)) == ["leaf", "constant", "multiply"]
    unknown = draw.graph(x + 1).boxes[1]
    assert (unknown.title, unknown.detail, unknown.rows) == ("constant", "", {})
    W = leaf(np.ones((3, 2)))
    assert len(draw.graph(mg.linear(mg.ones(4, 2, dtype=float), W)).boxes) == 3  # no bias
    turned = box(draw.graph((W @ data).sum(), {"data": data}), "data")  # a product of matrices keeps a view of it
    assert (turned.detail, turned.rows) == ("(2,) float64", {"value": [["5", "7"]]})


def test_numbers():
    """Up to nine, of one or two axes; four digits; one line for each row."""

    def rows(values, **options):
        return draw.graph(mg.tensor(values, requires_grad=True, **options)).boxes[0].rows.get("value")

    assert rows([[1.0, -2.5], [1 / 3, 1e-9]], dtype=float) == [["1", "-2.5"], ["0.3333", "1e-09"]]
    assert rows([-0.0, np.nan, np.inf]) == [["0", "nan", "inf"]]
    assert rows(np.ones((3, 3))) is not None
    assert rows(np.ones(4)) == [["1"] * 4]
    assert rows(np.ones(5)) is None
    assert rows(np.ones((5, 1))) is None
    assert rows(np.ones((1, 1, 1))) is None
    assert rows(np.ones(0)) is None
    assert rows(np.ones((0, 2))) is None


def test_operations_of_any_kind():
    """Sequences of inputs, conditions, indices, by-products: whatever is recorded can be drawn."""
    x, y = leaf([1, 2, 3]), leaf([3, 2, 1])
    joined = draw.graph(mg.concatenate([x, mg.tensor(np.ones(2)), y]), {"x": x, "y": y})
    assert title(joined) == ["x", "y", "constant", "concatenate"]
    assert joined.boxes[-1].inputs == [0, 2, 1]
    chosen = draw.graph(mg.where(x.detach() > 1, x, y), {"x": x, "y": y})
    assert title(chosen) == ["x", "y", "constant", "where"]
    assert chosen.boxes[2].rows == {"value": [["False", "True", "True"]]}
    assert title(draw.graph(x[[0, 0, 2]])) == ["leaf", "getitem"]


def test_a_graph_of_gradients():
    x = leaf(2)
    (g,) = mg.grad([x**3], [x], create_graph=True)
    assert len(draw.graph(g, {"x": x}).boxes) > 3


def test_on_a_device(device):
    x = mg.tensor([1.0, 2.0], requires_grad=True, device=device)
    y = (x * x * 3).sum()
    y.backward(keep_graph=True)
    boxes = draw.graph(y, {"x": x}).boxes
    assert boxes[0].rows == {"value": [["1", "2"]], "grad": [["6", "12"]]}
    assert "3" in [b.title for b in boxes]


# ------------------------------------------------------------------------------------------------------- how it looks


def rectangle(spot):
    return spot.x - spot.width / 2, spot.y - spot.height / 2, spot.x + spot.width / 2, spot.y + spot.height / 2


def test_no_box_covers_another(picture):
    for a, b in combinations(picture.layout.boxes, 2):
        (l, t, r, u), (m, s, q, v) = rectangle(a), rectangle(b)
        assert r + 8 < m or q + 8 < l or u + 8 < s or v + 8 < t


def test_boxes_stand_below_what_they_come_from(picture):
    spots = picture.layout.boxes
    for box, spot in zip(picture.boxes, spots, strict=True):
        assert all(rectangle(spots[i])[3] + layout.BETWEEN <= rectangle(spot)[1] + 1e-9 for i in box.inputs)
    assert max(spots, key=lambda s: s.y) is spots[-1]


def test_edges_arrive_in_the_order_of_the_inputs(picture):
    arrivals = {}
    for edge in picture.layout.edges:
        arrivals.setdefault(edge.spots[-1].box, []).append((edge.spots[0].box, edge.port))
    for i, box in enumerate(picture.boxes):
        found = arrivals.get(i, [])
        assert [start for start, _ in found] == box.inputs
        assert all(a < b for (_, a), (_, b) in pairwise(found))
        assert all(abs(port) < picture.layout.boxes[i].width / 2 for _, port in found)


def test_no_edge_runs_through_a_box(picture):
    for edge in picture.layout.edges:
        (line,) = Curve(*draw.graphs.curve_of(edge, picture.layout)).to_polygons(closed_only=False)
        x, y = np.concatenate([np.linspace(p, q, 9) for p, q in pairwise(line)]).T
        for spot in picture.layout.boxes:
            left, top, right, bottom = rectangle(spot)
            assert not ((x > left) & (x < right) & (y > top + 1e-6) & (y < bottom - 1e-6)).any()


def test_text_stays_in_its_box_and_on_the_page(picture):
    """Measured by the renderer; no text is smaller than 8 points, or covers another."""
    figure = picture.figure
    figure.set_dpi(200)
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    frames = [p.get_window_extent(renderer) for p in axes.patches if type(p).__name__ == "FancyBboxPatch"]
    assert len(frames) == len(picture.boxes)
    texts = [text.get_window_extent(renderer) for text in axes.texts]
    for text in texts:
        inside = [f for f in frames if f.x0 + 5 < text.x0 and text.x1 < f.x1 - 5 and f.y0 < text.y0 and text.y1 < f.y1]
        assert len(inside) == 1
    assert all(text.get_fontsize() >= 8 for text in axes.texts)
    for a, b in combinations(texts, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) < 1 or min(a.y1, b.y1) - max(a.y0, b.y0) < 4
    width, height = figure.get_size_inches() * 200
    assert all(f.x0 > 0 and f.y0 > 0 and f.x1 < width and f.y1 < height for f in frames)


def test_parents_in_the_middle():
    """A chain stands in one line; a result stands between its two inputs."""
    x = leaf(1)
    spots = draw.graph(mg.sin(mg.exp(mg.cos(x)))).layout.boxes
    assert np.ptp([s.x for s in spots]) < 0.01
    a, b, y = draw.graph(leaf(1) * leaf(2)).layout.boxes
    assert y.x == pytest.approx((a.x + b.x) / 2, abs=0.01)
    assert a.y == b.y


def test_crossings_are_found_and_undone():
    """Two pairs that cross as listed need not; a complete graph of 2 and 2 has one crossing at best."""

    def count(parents):
        made = layout.layered([(50, 20)] * len(parents), parents)
        rows = [{} for _ in made.rows]
        for edge in made.edges:
            for spot in edge.spots:
                rows[spot.row][spot] = None
        return sum(layout.crossings(list(row)) for row in rows)

    assert count([[], [], [1], [0], [2, 3]]) == 0
    assert count([[], [], [0, 1], [0, 1], [2, 3]]) == 1
    assert count([box.inputs for box in draw.graph(*sixty()).boxes]) <= 30


def test_boxes_that_want_one_place_share_the_way():
    assert layout.apart([0, 0], [1, 1], [10]) == [-5, 5]
    assert layout.apart([0, 0], [9, 1], [10]) == [-1, 9]
    assert layout.apart([0, 100, 50], [1, 1, 1], [10, 10]) == [0, 70, 80]
    rng = np.random.default_rng(0)
    wishes, weights, distances = rng.normal(0, 30, 8), rng.uniform(1, 3, 8), rng.uniform(1, 20, 7)
    x = np.array(layout.apart(list(wishes), list(weights), list(distances)))
    assert (np.diff(x) >= distances - 1e-9).all()
    cost = (weights * (x - wishes) ** 2).sum()
    for _ in range(200):  # no way to move that is allowed costs less
        other = np.maximum.accumulate((x + rng.normal(0, 2, 8)) - np.r_[0, np.cumsum(distances)])
        other += np.r_[0, np.cumsum(distances)]
        assert (weights * (other - wishes) ** 2).sum() >= cost - 1e-9


# ------------------------------------------------------------------------------------------------- figures and files


def test_the_svg(tmp_path):
    y, names = small_network()
    picture = draw.graph(y, names)
    text = picture._repr_svg_()
    root = ElementTree.fromstring(text)
    written = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for word in ("W", "b", "v", "x", "h = sigmoid", "linear", "(3, 2) float64", "value", "grad", "0.5"):
        assert word in written
    picture.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf8") == text
    width, height = (float(root.get(side).removesuffix("pt")) for side in ("width", "height"))
    assert (width, height) == pytest.approx((picture.layout.width + 16, picture.layout.height + 16), abs=0.01)
    assert len(text) < 60_000


def test_the_same_picture_each_time():
    """New nodes, new memory, other addresses: the same bytes."""
    assert draw.graph(*sixty())._repr_svg_() == draw.graph(*sixty())._repr_svg_()


def test_a_png(tmp_path):
    from matplotlib.image import imread

    picture = draw.graph(*five_lines())
    picture.save(str(tmp_path / "graph.png"), dpi=144)
    pixels = imread(tmp_path / "graph.png")
    assert pixels.shape[:2] == pytest.approx((2 * (picture.layout.height + 16), 2 * (picture.layout.width + 16)), abs=1)
    assert pixels[..., :3].min() < 0.2
    assert (pixels[..., :3].min(axis=2) > 0.99).mean() > 0.1
    assert "3 boxes" in repr(picture)


def test_names_are_text_and_not_mathematics():
    """Dollars, backslashes and line breaks."""
    y = leaf(1) * 2
    text = draw.graph(y, {"$a_1$ \\frac\n<b>": y})._repr_svg_()
    assert "$a_1$ \\frac &lt;b&gt; = multiply" in text


def test_nothing_is_imported_before_it_is_drawn_and_pyplot_never():
    code = """
import sys, minigrad as mg
assert "minigrad.draw" not in sys.modules
mg.draw.graph
assert "matplotlib" not in sys.modules
x = mg.tensor(1.0, requires_grad=True)
mg.draw.graph(x * x)._repr_svg_()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(mg.__file__).parent.parent)


def test_settings_of_others_are_left_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw.graph(*five_lines())._repr_svg_()
    assert dict(matplotlib.rcParams) == before


# ---------------------------------------------------------------------------------------------------- what goes wrong


def test_a_graph_that_was_freed():
    x = leaf(1)
    y = mg.exp(x * x)
    y.backward()
    with pytest.raises(RuntimeError, match=r"graph: the graph through exp was freed by backward\(\); draw it before"):
        draw.graph(y)
    draw.graph(x)  # a leaf alone is a graph


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="graph: nothing was recorded"):
        draw.graph(mg.ones(2) * 2)
    with pytest.raises(TypeError, match="graph: y is a Tensor, not float"):
        draw.graph(1.0)


def test_names_of_the_wrong_kind():
    x = leaf(1)
    with pytest.raises(TypeError, match="graph: names is a dict"):
        draw.graph(x, [x])
    with pytest.raises(TypeError, match=r"graph: names\['n'\] is a int; expected a Tensor or a Module"):
        draw.graph(x, {"n": 3})
    assert title(draw.graph(x, {"other": leaf(2), "x": x})) == ["x"]  # others may be named too


def test_too_many_boxes():
    x = leaf(1)
    for _ in range(20_000):
        x = mg.sin(x)
    with pytest.raises(ValueError, match=r"graph: 20001 boxes are too many to read \(max_nodes=60\)"):
        draw.graph(x)
    with pytest.raises(ValueError, match="3 boxes are too many to read"):
        draw.graph(five_lines()[0], max_nodes=2)
    assert 50 < len(draw.graph(*sixty()).boxes) <= 60
