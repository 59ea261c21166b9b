"""States in files: nothing is lost on the way, a failure loses nothing either, and no file can do harm."""

import json
import os
import pickle
import stat
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import nn
from minigrad.serialization import SerializationError, load, load_metadata, save

DTYPES = [np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64]

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
turns = st.sampled_from(
    [lambda x: x, np.transpose, lambda x: x[::-1] if x.ndim else x, lambda x: x[..., ::2] if x.ndim else x]
)


def network(seed=0):
    rng = mg.Generator(seed)
    net = nn.Sequential(nn.Linear(3, 3, rng=rng), nn.Tanh(), nn.Linear(3, 3, rng=rng))
    net.register_buffer("steps", mg.tensor(seed))
    return net


def values(state):
    return {name: x.detach().numpy().copy() for name, x in state.items()}


def same(a, b):
    """Equal names, dtypes, shapes and bits; the order of names does not count."""
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
    )


# --------------------------------------------------------------------------------------------------- there and back


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("states") / "state.safetensors"


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), arrays, max_size=4), turns)
def test_every_bit_comes_back(path, state, turn):
    state = {name: turn(x) for name, x in state.items()}
    save({name: mg.tensor(x) if x.size % 2 else x for name, x in state.items()}, path)
    loaded = load(path)
    assert same(values(loaded), state)
    assert all(type(x) is mg.Tensor and not x.requires_grad for x in loaded.values())


def test_a_transposed_parameter_keeps_its_order(tmp_path):
    weight = nn.Parameter(mg.arange(6.0).reshape(2, 3).T)
    assert not weight.data.flags.c_contiguous
    save({"weight": weight}, tmp_path / "w")
    assert load(tmp_path / "w")["weight"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_is_loaded_can_be_written_to_and_does_not_touch_the_file(tmp_path):
    save({"x": mg.zeros(3)}, tmp_path / "x")
    x = load(tmp_path / "x")["x"]
    x[0] = 1.0
    assert load(tmp_path / "x")["x"].tolist() == [0, 0, 0]


def test_a_module_there_and_back(tmp_path):
    source, target = network(1), network(2)
    mg.save(source, tmp_path / "net")
    before = values(source.state_dict())
    assert not same(values(target.state_dict()), before)
    assert target.load_state_dict(mg.load(str(tmp_path / "net"))) == ([], [])
    assert same(values(target.state_dict()), before)
    x = mg.ones(2, 3)
    assert np.array_equal(source(x).detach().numpy(), target(x).detach().numpy())


def test_tied_weights_stay_tied(tmp_path):
    def tied(seed):
        net = network(seed)
        net[2].weight = net[0].weight
        return net

    source, target = tied(1), tied(2)
    save(source, tmp_path / "net")
    target.load_state_dict(load(tmp_path / "net"))
    assert target[0].weight is target[2].weight
    assert same(values(target.state_dict()), values(source.state_dict()))


def test_a_file_of_another_network_changes_nothing(tmp_path):
    save(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 4)), tmp_path / "other")
    net = network()
    before = values(net.state_dict())
    with pytest.raises(nn.StateDictError, match=r"2\.weight: expected shape \(3, 3\), got \(4, 3\)"):
        net.load_state_dict(load(tmp_path / "other"))
    assert same(values(net.state_dict()), before)


def test_states_cross_devices(tmp_path, device):
    save({"x": mg.tensor([[1.0, 2.0], [3.0, 4.0]], device=device).T}, tmp_path / "x")
    assert load(tmp_path / "x")["x"].tolist() == [[1, 3], [2, 4]]
    x = load(tmp_path / "x", device=device)["x"]
    assert x.device.startswith(device)
    assert x.tolist() == [[1, 3], [2, 4]]


def test_metadata(tmp_path):
    save({"x": mg.zeros(1)}, tmp_path / "with", metadata={"epoch": "12", "ünïcode": "✓"})
    assert load_metadata(tmp_path / "with") == {"epoch": "12", "ünïcode": "✓"}
    assert list(load(tmp_path / "with")) == ["x"]
    save({"x": mg.zeros(1)}, tmp_path / "without")
    assert load_metadata(tmp_path / "without") == {}


def test_the_file_is_safetensors_for_others(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    from safetensors.torch import load_file, save_file

    net = network()
    save(net, tmp_path / "ours")
    theirs = load_file(tmp_path / "ours")
    assert same({name: x.numpy() for name, x in theirs.items()}, values(net.state_dict()))
    save_file({"x": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(True)}, tmp_path / "theirs")
    assert load(tmp_path / "theirs")["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    save_file({"x": torch.zeros(2, dtype=torch.bfloat16), "y": torch.zeros(1)}, tmp_path / "bfloat16")
    with pytest.raises(SerializationError, match=r"bfloat16 holds dtypes without a NumPy type: x \(BF16\)"):
        load(tmp_path / "bfloat16")


# ------------------------------------------------------------------------------------------------------- what is saved


@pytest.mark.parametrize(
    ("state", "metadata", "message"),
    [
        ([mg.zeros(1)], None, "expected a dict of name → Tensor or a Module, not list"),
        ({"lr": 0.1}, None, "'lr' must be a Tensor or an array, not float"),
        ({3: mg.zeros(1)}, None, "3 cannot name a tensor"),
        ({"__metadata__": mg.zeros(1)}, None, "cannot name a tensor"),
        pytest.param(
            {"x": np.zeros(1, np.longdouble)},
            None,
            "'x' has dtype float128",
            marks=pytest.mark.skipif(np.dtype(np.longdouble).name != "float128", reason="there is no float128 here"),
        ),
        ({"x": np.zeros(1, object)}, None, "dtype object"),
        ({"x": mg.zeros(1)}, {"epoch": 3}, "metadata is text"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_a_file_is_made(tmp_path, state, metadata, message):
    with pytest.raises(TypeError, match=message):
        save(state, tmp_path / "x", metadata)
    assert not os.listdir(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        save({}, tmp_path / "nowhere" / "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        save({}, tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


# ------------------------------------------------------------------------------------------------------ all or nothing


def fail(error):
    def broken(*args, **kwargs):
        raise error

    return broken


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    path = tmp_path / "net"
    save({"x": mg.ones(2)}, path)
    old = path.read_bytes()
    monkeypatch.setattr(os, step, fail(error))
    with pytest.raises(type(error)):
        save({"x": mg.zeros(2)}, path)
    with pytest.raises(type(error)):
        save({"x": mg.zeros(2)}, tmp_path / "new")
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["net"]


def test_a_full_disk_is_told(tmp_path):
    resource = pytest.importorskip("resource", reason="the size of files can be limited on POSIX only")
    code = """
import resource, signal, sys, minigrad as mg
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    mg.save({"x": mg.zeros(10_000)}, sys.argv[1])
except OSError as error:
    print(type(error).__name__)
"""
    assert resource.RLIMIT_FSIZE is not None
    save({"x": mg.ones(2)}, tmp_path / "net")
    run = [sys.executable, "-c", code, str(tmp_path / "net")]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout == "OSError\n"
    assert load(tmp_path / "net")["x"].tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["net"]


def test_the_bytes_are_on_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    path, steps = tmp_path / "net", []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes"
        steps.append(f"fsync {kind}")
        fsync(handle)

    def watched_replace(source, target):
        steps.append("replace")
        assert os.path.dirname(source) == os.path.dirname(target)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    save({"x": mg.ones(2)}, path)
    assert steps[:2] == [f"fsync {path.stat().st_size} bytes", "replace"]
    assert steps[2:] == (["fsync folder"] if hasattr(os, "O_DIRECTORY") else [])


@pytest.mark.skipif(os.name != "posix", reason="file modes and links are those of POSIX")
def test_modes_and_links_are_kept(tmp_path):
    path, link = tmp_path / "net", tmp_path / "latest"
    save({"x": mg.ones(2)}, path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o600)
    link.symlink_to(path)
    save({"x": mg.zeros(2)}, link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path)["x"].tolist() == [0, 0]


# ----------------------------------------------------------------------------------------------------- files that lie


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x80\x04K\x01.", "looks like a pickle"),
        (b"PK\x03\x04" + bytes(60), r"zip archive, as PyTorch's \.pt"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "a PNG image"),
        (b"\x93NUMPY\x01\x00" + bytes(60), r"a \.npy array"),
        (b"Dear reader,\nthis is text.\n", "text: 'Dear reader, this is text.'"),
        (b"\x00\x01\x02", r"begins with b'\\x00"),
        (struct.pack("<Q", 2**62) + b"{}", "cut off or damaged"),
        (struct.pack("<Q", 2) + b"[]", "is no safetensors file"),
    ],
)
def test_a_file_that_is_something_else_is_named_with_what_it_is(tmp_path, content, message):
    path = tmp_path / "odd.bin"
    path.write_bytes(content)
    for read in (load, load_metadata):
        with pytest.raises(SerializationError, match=f"odd.bin.*{message}") as caught:
            read(path)
        assert isinstance(caught.value, ValueError)


def test_a_missing_file_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(OSError, match=tmp_path.name):
        load(tmp_path)


def test_a_pickle_is_never_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "evil").write_bytes(pickle.dumps({"x": Harm()}))
    with pytest.raises(SerializationError, match="a pickle"):
        load(tmp_path / "evil")
    assert not (tmp_path / "harm").exists()


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "net"
    save(network(), path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SerializationError, match="net"):
            load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(SerializationError, match="cut off or damaged"):
        load(path)


@given(st.data())
def test_damage_is_an_error_or_a_state_and_nothing_else(path, data):
    save(network(), path)
    content = bytearray(path.read_bytes())
    header = 8 + struct.unpack("<Q", content[:8])[0]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(SerializationError):
        assert all(isinstance(x, mg.Tensor) for x in load(path).values())


def test_a_header_that_promises_too_much(tmp_path):
    for shape in ([2**40, 2**40], [3], [-1]):
        header = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 8]}}).encode()
        (tmp_path / "x").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
        with pytest.raises(SerializationError, match="cut off or damaged"):
            load(tmp_path / "x")


def test_safetensors_is_imported_only_when_it_is_used():
    code = "import sys, minigrad, minigrad.nn, minigrad.serialization; sys.exit('safetensors' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_the_same_state_gives_the_same_bytes(tmp_path):
    """Also with many words of metadata, which the library would write in an order of chance."""
    state = {"b": mg.ones(2, 3), "ä": mg.arange(3)}
    notes = {f"key {i}": f"größe {i}" for i in range(8)}
    files = [tmp_path / f"{i}.safetensors" for i in range(6)]
    for file in files:
        mg.save(state, file, metadata=notes)
    assert len({file.read_bytes() for file in files}) == 1
    assert mg.serialization.load_metadata(files[0]) == notes
    found = mg.load(files[0])
    assert found.keys() == state.keys()
    assert all((found[name].numpy() == state[name].numpy()).all() for name in state)
