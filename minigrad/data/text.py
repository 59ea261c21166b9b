"""Floor 4: text as numbers: words, characters, byte pairs; sequences of one length; windows over a long text.

tokenizer = WordTokenizer(10_000).fit(texts)
x = pad_sequences(tokenizer.encode(texts), 500)        (N, 500), ready for an Embedding(10_000, …)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..serialization import replace
from ..tensor import Tensor
from .datasets import Dataset
from .samplers import host, whole

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # letters and digits, with apostrophes inside


class Tokenizer:
    """What the tokenizers share: each makes indices of a text; of a list of texts, a list of them."""

    def encode(self, text: Any) -> Any:
        """The indices of a text, int64 (T,); of several texts, a list of such arrays."""
        if isinstance(text, str):
            return self._encode(text)
        return [self._encode(one) for one in each(text)]

    def _encode(self, text: str) -> np.ndarray:
        raise NotImplementedError

    def _save(self, path: Any, **content: Any) -> None:
        replace(path, json.dumps({"kind": type(self).__name__, **content}, ensure_ascii=False, indent=0).encode("utf8"))

    @classmethod
    def _load(cls, path: Any, *names: str) -> dict[str, Any]:
        try:
            content = json.loads(Path(path).read_text(encoding="utf8"))
        except ValueError as error:
            raise ValueError(f"{cls.__name__}: {path} is not its file: {error}") from error
        if not isinstance(content, dict) or content.get("kind") != cls.__name__ or not content.keys() >= set(names):
            found = content.get("kind", "something else") if isinstance(content, dict) else "something else"
            raise ValueError(f"{cls.__name__}: {path} is not its file; it holds {found}")
        return content


def each(texts: Any) -> Iterable[str]:
    """The texts, one after the other; one alone counts as a list of one."""
    for text in [texts] if isinstance(texts, str) else texts:
        if not isinstance(text, str):
            raise TypeError(f"expected a text or a list of texts, found {type(text).__name__}")
        yield text


def in_range(name: str, indices: Any, n: int) -> list[int]:
    """The indices as a list, all of them from 0 to n − 1."""
    array = host(indices)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"{name}: decode takes whole numbers (T,), not {array.dtype} {array.shape}")
    wrong = array[(array < 0) | (array >= n)]
    if wrong.size:
        raise IndexError(f"{name}: index {wrong[0]} is out of range for {n} tokens")
    return array.tolist()


class WordTokenizer(Tokenizer):
    """Words as indices below `size`: 0 is padding, 1 every word that it does not know, then the most frequent first.

    A word is a run of letters and digits, with apostrophes inside (don't); what stands between words is dropped. Words
    that are equally frequent are numbered in the order of their first appearance.
    """

    def __init__(self, size: int = 10_000, oov: str = "<unk>", padding: str = "<pad>", lower: bool = True) -> None:
        self.size, self.oov, self.padding, self.lower = whole("WordTokenizer", "size", size, 2), oov, padding, lower
        if oov == padding:
            raise ValueError(f"WordTokenizer: oov and padding are both {oov!r}")
        self.words = [padding, oov]
        self.index = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        """How many indices are in use, at most `size`."""
        return len(self.words)

    def split(self, text: str) -> list[str]:
        """The words of a text."""
        return WORD.findall(text.lower() if self.lower else text)

    def fit(self, texts: Iterable[str]) -> WordTokenizer:
        """Learns the words of these texts, in place of what it knew."""
        counts = Counter(word for text in each(texts) for word in self.split(text))
        for word in (self.padding, self.oov):
            counts.pop(word, None)
        # most_common is a stable sort, and a Counter keeps the order of first appearance
        self._set([word for word, _ in counts.most_common()[: self.size - 2]])
        return self

    def _set(self, words: list[str]) -> None:
        self.words = [self.padding, self.oov, *words]
        self.index = {word: i for i, word in enumerate(self.words)}

    def _encode(self, text: str) -> np.ndarray:
        find = self.index.get
        indices = [find(word, 1) for word in self.split(text)]
        return np.array(indices, np.int64)

    def decode(self, indices: Any) -> str:
        """The words of the indices with spaces between them, without padding."""
        return " ".join(self.words[i] for i in in_range("WordTokenizer", indices, len(self)) if i)

    def state(self) -> dict[str, Any]:
        """What is needed to make it again, as plain data."""
        plain = {name: getattr(self, name) for name in ("size", "oov", "padding", "lower")}
        return {**plain, "words": self.words[2:]}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> WordTokenizer:
        """The tokenizer of a state."""
        tokenizer = cls(state["size"], state["oov"], state["padding"], state["lower"])
        tokenizer._set(state["words"])
        return tokenizer

    def save(self, path: Any) -> None:
        """Writes a JSON file."""
        self._save(path, **self.state())

    @classmethod
    def load(cls, path: Any) -> WordTokenizer:
        """Reads the file of `save`."""
        return cls.restored(cls._load(path, "size", "oov", "padding", "lower", "words"))


class CharacterTokenizer(Tokenizer):
    """Characters as indices, in the order of their code points.

    A character that it does not know is an error, or, where `oov` names a character to stand for all of them, index 0.
    """

    def __init__(self, oov: str | None = None) -> None:
        if oov is not None and len(oov) != 1:
            raise ValueError(f"CharacterTokenizer: oov is one character, not {oov!r}")
        self.oov = oov
        self._set("")

    def __len__(self) -> int:
        """How many characters it knows, the one for the unknown included."""
        return len(self.characters)

    def fit(self, texts: str | Iterable[str]) -> CharacterTokenizer:
        """Learns the characters of a text, or of several, in place of what it knew."""
        found: set[str] = set().union(*each(texts))
        self._set("".join(sorted(found)))
        return self

    def _set(self, known: str) -> None:
        """`known` in rising order; the one for the unknown goes before them."""
        self.known = known.replace(self.oov, "") if self.oov else known
        self.characters = (self.oov or "") + self.known
        self._codes = codes(self.known)

    def _encode(self, text: str) -> np.ndarray:
        wanted, first = codes(text), int(self.oov is not None)
        place = np.searchsorted(self._codes, wanted)
        known = np.append(self._codes, np.uint32(2**32 - 1))[place] == wanted
        if not first and not known.all():
            i = int(np.argmin(known))
            fix = "give oov=" if self._codes.size else "call fit first"
            raise ValueError(f"CharacterTokenizer: {text[i]!r} at {i} was not in the text that it was fitted to; {fix}")
        return np.where(known, place + first, 0).astype(np.int64)

    def decode(self, indices: Any) -> str:
        """The text of the indices."""
        return "".join(self.characters[i] for i in in_range("CharacterTokenizer", indices, len(self)))

    def state(self) -> dict[str, Any]:
        """What is needed to make it again, as plain data."""
        return {"oov": self.oov, "characters": self.known}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> CharacterTokenizer:
        """The tokenizer of a state."""
        return cls(state["oov"]).fit(state["characters"])

    def save(self, path: Any) -> None:
        """Writes a JSON file."""
        self._save(path, **self.state())

    @classmethod
    def load(cls, path: Any) -> CharacterTokenizer:
        """Reads the file of `save`."""
        return cls.restored(cls._load(path, "oov", "characters"))


def codes(text: str) -> np.ndarray:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class BytePairTokenizer(Tokenizer):
    """Frequent sequences of bytes as indices: every text can be encoded, and comes back exactly.

    It begins with the 256 bytes and joins the most frequent pair, again and again (Sennrich et al., "Neural Machine
    Translation of Rare Words with Subword Units", 2016; on bytes: Radford et al., GPT-2, 2019). The work is done by the
    library `tokenizers`: pip install minigrad[text].
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def train(cls, texts: str | Iterable[str], size: int = 1000) -> BytePairTokenizer:
        """Learns at most `size` tokens from the texts."""
        whole("BytePairTokenizer", "size", size, 256)
        tokenizer = byte_level(library().models.BPE())
        trainer = library().trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=library().pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(each(texts), trainer)
        return cls(tokenizer)

    def __len__(self) -> int:
        """How many tokens there are."""
        return self.tokenizer.get_vocab_size()

    def _encode(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, np.int64)

    def decode(self, indices: Any) -> str:
        """The text of the indices."""
        return self.tokenizer.decode(in_range("BytePairTokenizer", indices, len(self)), skip_special_tokens=False)

    def save(self, path: Any) -> None:
        """Writes a tokenizer.json, as the library `tokenizers` reads it too."""
        replace(path, self.tokenizer.to_str().encode("utf8"))

    @classmethod
    def load(cls, path: Any, merges: Any = None) -> BytePairTokenizer:
        """Reads a tokenizer.json; or, with `merges`, the two files vocab.json and merges.txt that come with GPT-2."""
        for file in (path, merges):
            if file is not None and not Path(file).is_file():
                raise FileNotFoundError(f"BytePairTokenizer: no file {file}")
        try:
            if merges is not None:
                return cls(byte_level(library().models.BPE.from_file(str(path), str(merges))))
            return cls(library().Tokenizer.from_file(str(path)))
        except ImportError:
            raise
        except Exception as error:  # the library has no type of its own
            raise ValueError(f"BytePairTokenizer: {path} cannot be read: {error}") from error


def library() -> Any:
    """The library `tokenizers`."""
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError("BytePairTokenizer needs the library `tokenizers`: pip install minigrad[text]") from error
    return tokenizers


def byte_level(model: Any) -> Any:
    """A tokenizer on bytes around a model."""
    tokenizer = library().Tokenizer(model)
    tokenizer.pre_tokenizer = library().pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library().decoders.ByteLevel()
    return tokenizer


# ---------------------------------------------------------------------------------------------------------- sequences


def pad_sequences(
    sequences: Sequence[Any],
    length: int | None = None,
    value: int = 0,
    side: str = "right",
    truncate: str | None = None,
) -> np.ndarray:
    """Sequences of any lengths as one array, int64 (N, length), filled up with `value` on a side.

    length    default: that of the longest
    truncate  the side where longer sequences lose what is too much; default: the same side
    """
    truncate = side if truncate is None else truncate
    for name, given in (("side", side), ("truncate", truncate)):
        if given not in ("left", "right"):
            raise ValueError(f"pad_sequences: {name} is 'left' or 'right', not {given!r}")
    if isinstance(sequences, str):
        raise TypeError("pad_sequences: expected sequences of indices, got a text; encode it first")
    rows = [host(sequence) for sequence in sequences]
    for i, row in enumerate(rows):
        if row.ndim != 1 or (row.size and row.dtype.kind not in "iub"):
            raise TypeError(f"pad_sequences: sequence {i} is {row.dtype} {row.shape}; expected whole numbers (T,)")
    width = max(map(len, rows), default=0) if length is None else whole("pad_sequences", "length", length, 0)
    y = np.full((len(rows), width), value, np.int64)
    for i, row in enumerate(rows):
        kept = row[:width] if truncate == "right" else row[max(len(row) - width, 0) :]
        if side == "right":
            y[i, : len(kept)] = kept
        else:
            y[i, width - len(kept) :] = kept
    return y


class CharacterWindows(Dataset):
    """Windows of `length` over a long encoded text: sample i is (text[i : i + T], text[i + 1 : i + T + 1]).

    The second is what a language model shall say after each character of the first. `stride` is the distance from one
    window to the next; stride=length cuts the text into pieces that do not overlap.
    """

    def __init__(self, text: Any, length: int, stride: int = 1) -> None:
        if isinstance(text, str):
            raise TypeError("CharacterWindows: expected indices; encode the text first: CharacterTokenizer().fit(text)")
        self.text, self.length = host(text), whole("CharacterWindows", "length", length, 1)
        self.stride = whole("CharacterWindows", "stride", stride, 1)
        if self.text.ndim != 1 or len(self.text) <= length:
            raise ValueError(
                f"CharacterWindows: windows of {length} need a text (T,), T > {length}; got {self.text.shape}"
            )
        self._windows = sliding_window_view(self.text, length + 1)[::stride]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        window = self._windows[index]
        return Tensor(window[..., :-1].copy()), Tensor(window[..., 1:].copy())

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """The windows at these places, joined: (N, T) and (N, T)."""
        return self[indices]
