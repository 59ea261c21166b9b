"""Readers: what a file holds comes back exactly, and a file that is not what it should be is told by name and place.

With MINIGRAD_DATA, a folder with mnist/ (the four IDX files), the real data set is read too.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import data

# ----------------------------------------------------------------------------------------------------------------- IDX

KINDS = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    """An array as an IDX file."""
    kind = KINDS[array.dtype.str[1:]]
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(st.sampled_from(sorted(KINDS)).flatmap(lambda kind: hnp.arrays(kind, shapes)), st.booleans())
def test_idx_files_come_back(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "any-name"
    path.write_bytes(gzip.compress(idx(array), 1, mtime=0) if packed else idx(array))
    found = data.read_idx(path)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)
    found[...] = 0  # it belongs to the caller


GOOD = idx(np.zeros((2, 3), np.int16))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file: it begins with nothing"),
        (b"\x89PNG\r\n", "not an IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x0a\1" + bytes(8), "not an IDX file: it begins with 00 00 0a 01"),
        (GOOD[:9], "cut off in its head, at byte 9 of 12"),
        (GOOD[:-1], r"cut off: int16 \(2, 3\) take 24 bytes, the file has 23"),
        (GOOD + b"\0", r"longer than its head says: int16 \(2, 3\) take 24 bytes, the file has 25"),
        (gzip.compress(GOOD, mtime=0)[:-3], "the gzip file is damaged or cut off"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "the gzip file is damaged or cut off"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "cut off: uint8"),
    ],
)
def test_idx_files_that_are_none(tmp_path, content, words):
    path = tmp_path / "digits.idx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"digits.idx: {words}"):
        data.read_idx(path)


def write_mnist(folder, sep="-", end="", n=5):
    images = np.arange(n * 4 * 3, dtype=np.uint8).reshape(n, 4, 3)
    labels = np.arange(n, dtype=np.uint8)
    pack = gzip.compress if end else bytes
    for part, k in (("train", n), ("t10k", 2)):
        (folder / f"{part}-images{sep}idx3-ubyte{end}").write_bytes(pack(idx(images[:k])))
        (folder / f"{part}-labels{sep}idx1-ubyte{end}").write_bytes(pack(idx(labels[:k])))
    return images, labels


@pytest.mark.parametrize("sep", "-.")
@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist(tmp_path, sep, end):
    images, labels = write_mnist(tmp_path, sep, end)
    train, test = data.mnist(tmp_path)
    x, y = train[:]
    assert (x.shape, x.dtype, y.dtype, len(test)) == ((5, 1, 4, 3), np.float32, np.int64, 2)
    np.testing.assert_allclose(x.numpy()[:, 0], images / 255, rtol=1e-6)
    assert y.tolist() == labels.tolist()
    small, _ = data.mnist(str(tmp_path), dtype="uint8")
    np.testing.assert_array_equal(small.tensors[0].numpy()[:, 0], images)


def test_mnist_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no train-images-idx3-ubyte in it, nor .*; there is no such folder"):
        data.mnist(tmp_path / "nowhere")
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"no t10k-labels-idx1-ubyte in it, nor t10k-labels-idx1-ubyte.gz"):
        data.mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte has 2 images, .*t10k-labels-idx1-ubyte has 3 labels"):
        data.mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros((3, 1), np.uint8)))
    with pytest.raises(ValueError, match=r"t10k-labels.*: expected bytes with 1 axes, got uint8 \(3, 1\)"):
        data.mnist(tmp_path)


@pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="MINIGRAD_DATA does not name a folder with mnist/")
def test_the_real_mnist():
    train, test = data.mnist(Path(os.environ["MINIGRAD_DATA"]) / "mnist")
    assert (len(train), len(test)) == (60_000, 10_000)
    x = train.tensors[0].numpy()
    assert abs(x.mean() - 0.1307) < 1e-4
    assert abs(x.std() - 0.3081) < 1e-4


# -------------------------------------------------------------------------------------------------------------- CIFAR

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
LABELS = np.array([6, 9, 0, 4, 1, 1], np.uint8)


def records(images, labels):
    return b"".join(bytes([y]) + x.tobytes() for x, y in zip(images, labels))


def test_cifar10_in_the_binary_version(tmp_path):
    for i in range(1, 4):
        (tmp_path / f"data_batch_{i}.bin").write_bytes(records(PICTURES[2 * i - 2 : 2 * i], LABELS[2 * i - 2 : 2 * i]))
    (tmp_path / "test_batch.bin").write_bytes(records(PICTURES[:1], LABELS[:1]))
    train, test = data.cifar10(tmp_path)
    assert (train.tensors[0].dtype, len(test)) == (np.float32, 1)
    np.testing.assert_allclose(train.tensors[0].numpy(), PICTURES / 255, rtol=1e-6)
    assert train.tensors[1].tolist() == LABELS.tolist()
    images, labels = data.read_cifar10(tmp_path / "data_batch_2.bin")
    np.testing.assert_array_equal(images, PICTURES[2:4])
    assert (labels.tolist(), labels.dtype) == ([0, 4], np.int64)
    assert len(data.CIFAR10_CLASSES) == 10
    packed = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for file in tmp_path.glob("*.bin"):
            archive.add(file, f"cifar-10-batches-bin/{file.name}")
    before = sorted(tmp_path.iterdir())
    train, test = data.cifar10(packed, "uint8")
    np.testing.assert_array_equal(train.tensors[0].numpy(), PICTURES)
    assert len(test) == 1
    assert sorted(tmp_path.iterdir()) == before, "nothing is unpacked"
    packed.write_bytes(packed.read_bytes()[:9000])
    with pytest.raises(ValueError, match=r"binary\.tar\.gz: the archive is damaged or cut off"):
        data.cifar10(packed)
    outer = tmp_path / "outer" / "cifar-10-batches-bin"
    outer.mkdir(parents=True)
    for file in tmp_path.glob("*.bin"):
        file.rename(outer / file.name)
    assert len(data.cifar10(tmp_path / "outer", "uint8")[0]) == 6


@pytest.mark.parametrize("layout", ["whole", "last", "delta"])
def test_cifar10_without_pickles(tmp_path, layout):
    images = PICTURES
    if layout == "last":
        images = images.transpose(0, 2, 3, 1)
    if layout == "delta":
        for axis in (1, 3, 2):
            images = np.diff(images, axis=axis, prepend=np.uint8(0))
    name = "delta" if layout == "delta" else "x"
    path = tmp_path / "some.npz"
    train = {f"{name}_train": images[:4], "y_train": LABELS[:4]}
    np.savez(path, **train, **{f"{name}_test": images[4:], "y_test": LABELS[4:]})
    train, test = data.cifar10(path, dtype="uint8")
    np.testing.assert_array_equal(train.tensors[0].numpy(), PICTURES[:4])
    np.testing.assert_array_equal(test.tensors[0].numpy(), PICTURES[4:])
    assert test.tensors[1].tolist() == [1, 1]
    np.savez(path, **{name: images, "y": LABELS})
    np.testing.assert_array_equal(data.read_cifar10(path)[0], PICTURES)
    with pytest.raises(KeyError, match=r"no x_train \(or delta_train\) and y_train in it, but"):
        data.cifar10(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle ran",))


@pytest.mark.parametrize("name", ["data_batch_1", "batches.pkl", "old.pickle"])
def test_pickles_are_refused_with_the_reason(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"data": Bomb()}))
    with pytest.raises(ValueError, match=r"is a pickle, and reading a pickle runs .* Get the binary version .*\.npz"):
        data.read_cifar10(tmp_path / name)
    if name == "data_batch_1":
        with pytest.raises(ValueError, match="Get the binary version"):
            data.cifar10(tmp_path)
        with tarfile.open(tmp_path / "python.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / name, f"cifar-10-batches-py/{name}")
        with pytest.raises(ValueError, match=r"python\.tar\.gz: .* Get the binary version"):
            data.cifar10(tmp_path / "python.tar.gz")


def test_pickles_inside_npz_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([Bomb()], object), y=LABELS)
    with pytest.raises(ValueError, match="its arrays hold pickled objects, which are not read"):
        data.read_cifar10(tmp_path / "x.npz")


def test_cifar10_files_that_are_none(tmp_path):
    path = tmp_path / "test_batch.bin"

    def refused(content, words, file=path, part=None, error=ValueError):
        file.write_bytes(content)
        with pytest.raises(error, match=words):
            data.read_cifar10(file, part)

    refused(records(PICTURES, LABELS)[:-1], "records of CIFAR-10 have 3073 bytes, .* 18437: it ends inside record 5")
    refused(b"", "the file has 0")
    refused(records(PICTURES[:2], [3, 10]), "the label of record 1 is 10, not 0 to 9")
    refused(records(PICTURES, LABELS), "one file has one part", part="train")
    refused(b"no zip", "not a readable .npz", tmp_path / "bad.npz")
    with pytest.raises(FileNotFoundError, match=r"no data_batch_1\.bin in it; it belongs to the binary version"):
        data.cifar10(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        data.read_cifar10(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="say part='train' or part='test'"):
        data.read_cifar10(tmp_path)
    with pytest.raises(ValueError, match="part is 'train' or 'test', not 'val'"):
        data.read_cifar10(tmp_path, "val")
    np.savez(tmp_path / "float.npz", x=PICTURES / 255, y=LABELS)
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 3, 32, 32\) .* got float64"):
        data.read_cifar10(tmp_path / "float.npz")


# -------------------------------------------------------------------------------------------------------------- tables


@pytest.fixture
def file(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


NEWS = '''id,text,kind,length
1,"Cats, and ""dogs""",fun,2.5
2,"two
lines",serious,-1e3

3,plain,fun,0
'''


@pytest.mark.parametrize("packed", [False, True])
def test_csv(file, packed):
    path = file(gzip.compress(NEWS.encode(), mtime=0) if packed else NEWS)
    table = data.read_csv(path, columns=["length", "id"], text="text", label="kind")
    assert table.numbers.tolist() == [[2.5, 1], [-1000, 2], [0, 3]]
    assert (table.numbers.dtype, table.columns) == (np.float32, ["length", "id"])
    assert table.text == ['Cats, and "dogs"', "two\nlines", "plain"]
    assert (table.labels.tolist(), table.labels.dtype, table.classes) == ([0, 1, 0], np.int64, ["fun", "serious"])
    numbers, text, label = table[1]
    assert (numbers.tolist(), text, label) == ([-1000, 2], "two\nlines", 1)
    (x, t, y), *_ = data.DataLoader(table, 2)
    assert (x.tolist(), t, y.tolist()) == ([[2.5, 1], [-1000, 2]], table.text[:2], [0, 1])
    assert isinstance(x, mg.Tensor)
    part = data.stratified_split(table, table.labels, (1, 2), 0)[1]
    assert len(list(data.DataLoader(part, 2))) == 1


def test_which_columns_are_read(file):
    path = file("a,b,c\n1,2,3\n4,5,6\n")
    assert data.read_csv(path).numbers.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert data.read_csv(path).batch(np.array([1])).tolist() == [[4, 5, 6]]
    assert data.read_csv(path)[0].tolist() == [1, 2, 3]
    table = data.read_csv(path, target="b")
    assert (table.columns, table.targets.tolist(), table.labels) == (["a", "c"], [2, 5], None)
    assert data.read_csv(path, columns="c").numbers.tolist() == [[3], [6]]
    assert data.read_csv(path, columns=[-1, 0]).numbers.tolist() == [[3, 1], [6, 4]]
    assert data.read_csv(path, text="b").numbers is None
    assert data.read_csv(file("1;2\n3;4\n"), header=False, delimiter=";").columns == ["0", "1"]


def test_classes(file):
    path = file("y\n10\n9\n-1\n9\n")
    table = data.read_csv(path, label="y")
    assert (table.classes, table.labels.tolist()) == (["-1", "9", "10"], [2, 1, 0, 1])
    assert data.read_csv(path, label="y", classes=["9", "10", "-1", "7"]).labels.tolist() == [1, 0, 2, 0]
    with pytest.raises(ValueError, match="line 4: the label '-1' is none of the classes 10, 9"):
        data.read_csv(path, label="y", classes=[9, 10])


BAD = "x,kind\n1,a\n2\n3,b\nfour,a\n5,\n6,a,7\n,b\n1e99,a\n8,b\n"


def test_bad_rows_are_named_by_line(file):
    with pytest.raises(ValueError, match="6 bad rows") as caught:
        data.read_csv(file(BAD), label="kind")
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("table.csv: 6 bad rows (skip_bad=True leaves them out):")
    assert lines[1:] == [
        "  line 3: 1 cells where there are 2 columns",
        "  line 5: 'x' is 'four', which is no number",
        "  line 6: the label 'kind' is missing",
        "  line 7: 3 cells where there are 2 columns",
        "  line 8: 'x' is missing (missing=… sets a value for such cells)",
        "  … and 1 more",
    ]
    table = data.read_csv(file(BAD), label="kind", skip_bad=True)
    assert table.numbers.ravel().tolist() == [1, 3, 8]
    assert [line for line, _ in table.skipped] == [3, 5, 6, 7, 8, 9]


def test_lines_are_counted_through_line_breaks_in_quotes(file):
    with pytest.raises(ValueError, match="line 5: 'n' is 'x', which is no number"):
        data.read_csv(file('t,n\n"a\nb\n",1\nc,x\n'), columns=["n"], text="t")


def test_a_quote_that_is_never_closed(file):
    with pytest.raises(ValueError, match="line 3: unexpected end of data; a quote that opens here is never closed"):
        data.read_csv(file('t,n\na,1\n"b,2\nc,3\n'), text="t")


def test_missing_numbers(file):
    table = data.read_csv(file("a,b\n1,NA\n,2\nnan,3\n"), missing=-1)
    assert table.numbers.tolist() == [[1, -1], [-1, 2], [-1, 3]]
    assert np.isnan(data.read_csv(file("a\nnull\n"), missing=float("nan")).numbers).all()


def test_encodings(file):
    assert data.read_csv(file("é,b\nü,1\n".encode("utf-8-sig")), text="é").text == ["ü"]
    latin = file("t\nabc\ncafé\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"line 3: byte 0xe9 is not utf-8-sig; name the file's encoding="):
        data.read_csv(latin, text="t")
    assert data.read_csv(latin, text="t", encoding="latin-1").text == ["abc", "café"]


def test_tsv(file):
    table = data.read_tsv(file("name\tland\n\"O'Neal\tie\nKhoury\tlb\n"), text="name", label=1)
    assert (table.text, table.classes) == (["\"O'Neal", "Khoury"], ["ie", "lb"])


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(cells, st.sampled_from("abc"), numbers), min_size=1))
def test_what_the_csv_module_writes_comes_back(tmp_path_factory, rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("text", "kind", "x"), *rows])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(out.getvalue().encode())
    table = data.read_csv(path, columns=["x"], text="text", label="kind")
    assert table.text == [t for t, _, _ in rows]
    assert [table.classes[y] for y in table.labels] == [k for _, k, _ in rows]
    np.testing.assert_array_equal(table.numbers[:, 0], np.array([x for *_, x in rows], np.float32))


def test_jsonl(file):
    rows = [{"label": 1, "text": "a\u2028b", "x": 2}, {"label": 0, "text": "", "x": None}]
    content = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    for path in (file(content, "t.jsonl"), file(gzip.compress(content.encode(), mtime=0), "t.jsonl.gz")):
        table = data.read_jsonl(path, ["x"], "text", "label", missing=0)
        assert (table.text, table.labels.tolist(), table.classes) == (["a\u2028b", ""], [1, 0], ["0", "1"])
        assert table.numbers.tolist() == [[2], [0]]
    with pytest.raises(ValueError, match="4 bad rows") as caught:
        data.read_jsonl(file('{"t": "a"}\n{"t": 1}\n[1]\n{"t"\n{"u": 1}\n'), text="t")
    lines = str(caught.value).splitlines()[1:]
    assert lines[:2] == ["  line 2: 't' is 1, which is no text", "  line 3: a JSON list, not an object"]
    assert lines[2].startswith("  line 4: no JSON: ")
    assert lines[3] == "  line 5: no 't'"


@pytest.mark.parametrize(
    ("content", "options", "error", "words"),
    [
        ("", {}, ValueError, "the file is empty"),
        ("a,b\n", {}, ValueError, "no rows"),
        ("a,a\n1,2\n", {}, ValueError, "two columns are called 'a'; .* header=False"),
        ("a,b\n1,2\n", {"label": "c"}, KeyError, "no column 'c'; there are a, b"),
        ("a,b\n1,2\n", {"columns": [2]}, KeyError, "no column 2"),
        ("a,b\n1,2\n", {"columns": []}, ValueError, "no column is asked for"),
    ],
)
def test_tables_that_cannot_be_read(file, content, options, error, words):
    with pytest.raises(error, match=f"table.csv: {words}"):
        data.read_csv(file(content), **options)
