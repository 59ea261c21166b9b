"""Floor 4: files of images: IDX (MNIST and its relatives) and CIFAR-10."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .datasets import TensorDataset

PathLike = Any  # a string or a Path

# the third byte of an IDX file: what its numbers are, big-endian
IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def contents(path: PathLike) -> bytes:
    """The bytes of a file, unpacked if it is gzip, whatever its name."""
    data = Path(path).read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: the gzip file is damaged or cut off ({error}); get it again") from error


def read_idx(path: PathLike) -> np.ndarray:
    """The array in an IDX file, plain or gzip.

    Two bytes 0, one for the dtype, one for the number of axes; the length of each axis (4 bytes, big-endian); numbers.
    """
    data = contents(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_DTYPES:
        raise ValueError(f"{path}: not an IDX file: it begins with {data[:4].hex(' ') or 'nothing'}, not 00 00 08 …")
    dtype, start = np.dtype(IDX_DTYPES[data[2]]), 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError(f"{path}: cut off in its head, at byte {len(data)} of {start}; get the file again")
    shape = tuple(int(length) for length in np.frombuffer(data, ">u4", data[3], 4))
    expected = start + dtype.itemsize * int(np.prod(shape, dtype=object))
    if len(data) != expected:
        what = "cut off" if len(data) < expected else "longer than its head says"
        raise ValueError(
            f"{path}: {what}: {dtype.newbyteorder('=')} {shape} take {expected} bytes, the file has {len(data)}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def labelled_images(images: np.ndarray, labels: np.ndarray, dtype: Any) -> TensorDataset:
    """Bytes as a data set of images (N, C, H, W), from 0 to 1 unless they shall stay bytes, and labels (N,), int64."""
    dtype = np.dtype(dtype)
    if dtype != np.uint8:
        images = np.divide(images, 255, dtype=dtype)
    return TensorDataset(images, labels.astype(np.int64))


# -------------------------------------------------------------------------------------------------------------- MNIST


def mnist(folder: PathLike, dtype: Any = np.float32) -> tuple[TensorDataset, TensorDataset]:
    """The training and the test part of a data set in the four files of MNIST: images (N, 1, 28, 28), labels (N,).

    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-…, t10k-labels-…, with a dot in place of the second
    hyphen or not, with .gz or not. Images are float32 from 0 to 1; dtype="uint8" keeps the bytes, a quarter of the
    memory (and `transform=Scale()` in the loader makes numbers of them).
    """
    parts = []
    for part in ("train", "t10k"):
        files = [_idx_file(Path(folder), f"{part}-{what}", axes) for what, axes in (("images", 3), ("labels", 1))]
        images, labels = map(read_idx, files)
        for path, array, axes in ((files[0], images, 3), (files[1], labels, 1)):
            if array.ndim != axes or array.dtype != np.uint8:
                raise ValueError(f"{path}: expected bytes with {axes} axes, got {array.dtype} {array.shape}")
        if len(images) != len(labels):
            raise ValueError(f"{files[0]} has {len(images)} images, {files[1]} has {len(labels)} labels")
        parts.append(labelled_images(images[:, None], labels, dtype))  # (N, 1, H, W)
    return parts[0], parts[1]


def _idx_file(folder: Path, name: str, axes: int) -> Path:
    names = [f"{name}{sep}idx{axes}-ubyte{end}" for sep in "-." for end in ("", ".gz")]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    there = "" if folder.is_dir() else "; there is no such folder"
    raise FileNotFoundError(f"{folder}: no {names[0]} in it, nor {', '.join(names[1:])}{there}")


# ----------------------------------------------------------------------------------------------------------- CIFAR-10

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD = 1 + 3 * 32 * 32  # label, then 1,024 bytes each of red, green, blue, row by row


def cifar10(path: PathLike, dtype: Any = np.float32) -> tuple[TensorDataset, TensorDataset]:
    """The training and the test part of CIFAR-10: images (N, 3, 32, 32), labels (N,). For `path` see read_cifar10.

    Images are float32 from 0 to 1; dtype="uint8" keeps the bytes, a quarter of the memory. The ten names of the classes
    are in CIFAR10_CLASSES.
    """
    train, test = (labelled_images(*read_cifar10(path, part), dtype) for part in ("train", "test"))
    return train, test


def read_cifar10(path: PathLike, part: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (N, 3, 32, 32), and labels, int64 (N,).

    path   a folder with the binary version (data_batch_1.bin … data_batch_5.bin, test_batch.bin), the .tar.gz with
           them, one of these files, or an .npz with x and y, or with x_train, y_train, x_test, y_test. Images in an
           .npz are (N, 3, 32, 32) or (N, 32, 32, 3). In place of x it may have delta: differences, by cumulative sums
           along the rows, then the columns, then the channels, modulo 256.
    part   "train" or "test", where path has both
    """
    path = Path(path)
    if part not in (None, "train", "test"):
        raise ValueError(f"read_cifar10: part is 'train' or 'test', not {part!r}")
    if path.is_dir():
        found = [*path.glob("*/*_batch*"), *path.glob("*_batch*")]  # the archive unpacks into a folder of its own
        return _cifar_parts(path, part, {file.name: file.read_bytes for file in found})
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.suffix == ".npz":
        return _cifar_npz(path, part)
    try:
        if tarfile.is_tarfile(path):
            return _cifar_archive(path, part)
    except (EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{path}: the archive is damaged or cut off ({error}); get it again") from error
    if part is not None:
        raise ValueError(f"{path}: one file has one part; for both, give the folder")
    return _cifar_records(path, path.read_bytes())


def _cifar_archive(path: Path, part: str | None) -> tuple[np.ndarray, np.ndarray]:
    with tarfile.open(path) as archive:  # nothing is unpacked onto the disk
        return _cifar_parts(path, part, {Path(m.name).name: partial(_member, archive, m) for m in archive})


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file is not None else b""


def _cifar_parts(
    path: Path, part: str | None, files: Mapping[str, Callable[[], bytes]]
) -> tuple[np.ndarray, np.ndarray]:
    if part is None:
        raise ValueError(f"{path}: there are two parts in it; say part='train' or part='test', or call cifar10")
    start = "data_batch_" if part == "train" else "test_batch"
    names = sorted(name for name in files if name.startswith(start) and name.endswith(".bin"))
    if not names:
        if any(name.startswith(start) and "." not in name for name in files):
            raise ValueError(_no_pickle(path))
        name = "data_batch_1.bin" if part == "train" else "test_batch.bin"
        raise FileNotFoundError(f"{path}: no {name} in it; it belongs to the binary version of CIFAR-10")
    images, labels = zip(*(_cifar_records(path / name, files[name]()) for name in names))
    return np.concatenate(images), np.concatenate(labels)


def _no_pickle(path: Path) -> str:
    return (
        f"{path}: the Python version of CIFAR-10 is a pickle, and reading a pickle runs whatever program it holds; "
        "it is not read. Get the binary version (cifar-10-binary, with data_batch_1.bin … test_batch.bin) or an .npz"
    )


def _cifar_records(path: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix in (".pkl", ".pickle") or (data[:1] == b"\x80" and path.suffix != ".bin"):
        raise ValueError(_no_pickle(path))
    if not data or len(data) % RECORD:
        raise ValueError(
            f"{path}: records of CIFAR-10 have {RECORD} bytes, but the file has {len(data)}: "
            f"it ends inside record {len(data) // RECORD}"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), _cifar_labels(path, records[:, 0])


def _cifar_labels(path: Path, labels: np.ndarray) -> np.ndarray:
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if wrong.size:
        raise ValueError(f"{path}: the label of record {wrong[0]} is {labels[wrong[0]]}, not 0 to 9: not CIFAR-10")
    return labels.astype(np.int64)


def _cifar_npz(path: Path, part: str | None) -> tuple[np.ndarray, np.ndarray]:
    end = f"_{part}" if part else ""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if f"y{end}" not in arrays or not {f"x{end}", f"delta{end}"} & set(arrays):
                raise KeyError(f"{path}: no x{end} (or delta{end}) and y{end} in it, but {', '.join(arrays)}")
            labels, whole = arrays[f"y{end}"], f"x{end}" in arrays
            images = arrays[f"x{end}" if whole else f"delta{end}"]
    except (ValueError, OSError, zlib.error) as error:
        cause = "its arrays hold pickled objects, which are not read" if "allow_pickle" in str(error) else error
        raise ValueError(f"{path}: not a readable .npz: {cause}") from error
    if images.ndim == 4 and images.shape[1:] == (32, 32, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.dtype != np.uint8 or images.shape[1:] != (3, 32, 32) or labels.shape != (len(images),):
        raise ValueError(
            f"{path}: expected uint8 (N, 3, 32, 32) and labels (N,), got {images.dtype} {images.shape}, {labels.shape}"
        )
    if not whole:
        for axis in (2, 3, 1):
            images = images.cumsum(axis, dtype=np.uint8)
    return np.ascontiguousarray(images), _cifar_labels(path, labels)
