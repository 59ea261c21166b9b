"""Text: what a tokenizer encodes it decodes, in this process and in the next; sequences get one length."""

from __future__ import annotations

import json
import sys
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data
from minigrad.data import BytePairTokenizer, CharacterTokenizer, CharacterWindows, WordTokenizer, pad_sequences

unicode = st.text(st.characters(exclude_categories=["Cs"]))


# --------------------------------------------------------------------------------------------------------------- words


def test_words_by_frequency_and_first_appearance():
    tokenizer = WordTokenizer().fit(["The cat, the dog.", "A cat! The end?"])
    assert tokenizer.words == ["<pad>", "<unk>", "the", "cat", "dog", "a", "end"]
    assert len(tokenizer) == 7
    encoded = tokenizer.encode("the BIRD and a cat")
    assert (encoded.tolist(), encoded.dtype) == ([2, 1, 1, 5, 3], np.int64)
    assert [x.tolist() for x in tokenizer.encode(["dog", ""])] == [[4], []]
    assert tokenizer.decode(mg.tensor([2, 1, 0, 3, 0])) == "the <unk> cat"


def test_words_are_cut_at_what_stands_between_them():
    split = WordTokenizer().split
    assert split("Don't re-read_it (twice): 3.5 naïve rock 'n' roll") == [
        *("don't", "re", "read", "it", "twice", "3", "5", "naïve", "rock", "n", "roll")
    ]
    assert WordTokenizer(lower=False).split("The THE") == ["The", "THE"]


@given(st.lists(unicode), st.integers(2, 12))
def test_indices_stay_below_the_size(texts, size):
    tokenizer = WordTokenizer(size).fit(texts)
    indices = np.concatenate([np.zeros(0, int), *tokenizer.encode(texts)])
    assert len(tokenizer) <= size
    assert ((indices >= 1) & (indices < size)).all()


@given(st.lists(unicode, min_size=1))
def test_words_come_back(texts):
    tokenizer = WordTokenizer(10_000).fit(texts)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == " ".join(tokenizer.split(text))


def test_the_most_frequent_words_are_kept():
    tokenizer = WordTokenizer(4).fit(["c b b a a a"])
    assert tokenizer.words[2:] == ["a", "b"]
    assert tokenizer.fit(["new"]).words[2:] == ["new"], "fit begins anew"
    assert WordTokenizer(oov="unk").fit(["unk a"]).encode("unk a").tolist() == [1, 2]


# ---------------------------------------------------------------------------------------------------------- characters


@given(unicode)
def test_characters_come_back(text):
    tokenizer = CharacterTokenizer().fit(text)
    encoded = tokenizer.encode(text)
    assert encoded.dtype == np.int64
    assert tokenizer.decode(encoded) == text
    assert tokenizer.characters == "".join(sorted(set(text)))


def test_unknown_characters():
    tokenizer = CharacterTokenizer().fit(["ab", "c"])
    assert tokenizer.encode("cab").tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match=r"CharacterTokenizer: 'z' at 1 was not in the text .*; give oov="):
        tokenizer.encode("az")
    with pytest.raises(ValueError, match="call fit first"):
        CharacterTokenizer().encode("a")
    tokenizer = CharacterTokenizer("?").fit("ab")
    assert tokenizer.encode("az\U0010ffffb").tolist() == [1, 0, 0, 2]
    assert tokenizer.decode([1, 0, 2]) == "a?b"
    assert len(CharacterTokenizer("?").fit("a?b")) == 3
    assert CharacterTokenizer("?").fit("a?b").encode("?a").tolist() == [0, 1]


def test_a_long_text_is_fast():
    tokenizer = CharacterTokenizer().fit(data.sonnets())
    assert len(tokenizer) == 61
    assert tokenizer.decode(tokenizer.encode(data.sonnets())) == data.sonnets()


# ----------------------------------------------------------------------------------------------------------- byte pairs


@pytest.fixture(scope="module")
def pairs():
    pytest.importorskip("tokenizers", reason="the library tokenizers (minigrad[text]) is not there")
    return BytePairTokenizer.train(data.sonnets(), 600)


@given(text=unicode)
def test_every_text_comes_back_from_byte_pairs(pairs, text):
    encoded = pairs.encode(text)
    assert encoded.dtype == np.int64
    assert pairs.decode(encoded) == text


def test_byte_pairs(pairs, tmp_path):
    text = data.sonnets()
    assert len(pairs) == 600
    assert len(pairs.encode(text)) < 0.6 * len(text)
    assert [len(x) for x in pairs.encode(["", " thee"])] == [0, 1]
    pairs.save(tmp_path / "tokenizer.json")
    again = BytePairTokenizer.load(tmp_path / "tokenizer.json")
    np.testing.assert_array_equal(again.encode(text), pairs.encode(text))
    pairs.tokenizer.model.save(str(tmp_path))
    parts = BytePairTokenizer.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    np.testing.assert_array_equal(parts.encode(text), pairs.encode(text))
    assert parts.decode(parts.encode(text[:99])) == text[:99]
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.json cannot be read"):
        BytePairTokenizer.load(tmp_path / "bad.json")
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.json"):
        BytePairTokenizer.load(tmp_path / "none.json")
    with pytest.raises(ValueError, match="size must be a whole number of at least 256"):
        BytePairTokenizer.train("abc", 100)
    with pytest.raises(IndexError, match="index 600 is out of range for 600 tokens"):
        pairs.decode([600])


def test_byte_pairs_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install minigrad\[text\]"):
        BytePairTokenizer.train("text")


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "tokenizer", [WordTokenizer(50, "<o>", "<p>", lower=False), CharacterTokenizer(), CharacterTokenizer("~")]
)
def test_tokenizers_are_saved(tokenizer, tmp_path):
    text = "From fairest creatures we desire Increase, “é” 🙂"
    tokenizer.fit(text)
    tokenizer.save(tmp_path / "t.json")
    again = type(tokenizer).load(tmp_path / "t.json")
    assert vars(again).keys() == vars(tokenizer).keys()
    np.testing.assert_array_equal(again.encode(text), tokenizer.encode(text))
    assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    assert len(again) == len(tokenizer)
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf8"))["kind"] == type(tokenizer).__name__


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "t.json"
    CharacterTokenizer().fit("a").save(path)
    with pytest.raises(ValueError, match=r"WordTokenizer: .*t\.json is not its file; it holds CharacterTokenizer"):
        WordTokenizer.load(path)
    for content in ("{", "[1]", '{"kind": "WordTokenizer"}', "\x89PNG"):
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(ValueError, match=r"WordTokenizer: .*t\.json is not its file"):
            WordTokenizer.load(path)


# ----------------------------------------------------------------------------------------------------------- sequences


def test_pad_sequences():
    rows = [[1], [1, 2, 3], np.array([], int), mg.tensor([4, 5])]
    assert pad_sequences(rows).tolist() == [[1, 0, 0], [1, 2, 3], [0, 0, 0], [4, 5, 0]]
    assert pad_sequences(rows, 2, 9, "left").tolist() == [[9, 1], [2, 3], [9, 9], [4, 5]]
    assert pad_sequences(rows, 2, side="left", truncate="right").tolist() == [[0, 1], [1, 2], [0, 0], [4, 5]]
    assert pad_sequences(rows, 2, truncate="left").tolist() == [[1, 0], [2, 3], [0, 0], [4, 5]]
    assert pad_sequences(rows, 0, side="left").shape == (4, 0)
    assert (pad_sequences([]).shape, pad_sequences(rows).dtype) == ((0, 0), np.int64)


@given(st.lists(st.lists(st.integers(1, 9))), st.integers(0, 6), st.sampled_from(["left", "right"]))
def test_padding_adds_nothing_else(rows, length, side):
    for row, padded in zip(rows, pad_sequences(rows, length, side=side)):
        kept = row[:length] if side == "right" else row[max(len(row) - length, 0) :]
        assert padded[padded != 0].tolist() == kept


@given(st.integers(2, 60), st.integers(1, 9), st.integers(1, 5))
def test_windows(n, length, stride):
    text = np.arange(n)
    if n <= length:
        with pytest.raises(ValueError, match=rf"windows of {length} need a text \(T,\), T > {length}; got \({n},\)"):
            CharacterWindows(text, length, stride)
        return
    windows = CharacterWindows(mg.tensor(text), length, stride)
    starts = range(0, n - length, stride)
    assert len(windows) == len(starts)
    for i, start in enumerate(starts):
        x, y = windows[i]
        assert x.tolist() == list(range(start, start + length))
        assert y.tolist() == list(range(start + 1, start + length + 1))
    x, y = windows.batch(np.array([len(windows) - 1, 0]))
    assert (x.shape, x[1].tolist()) == ((2, length), list(range(length)))
    expected = y.tolist()
    for part in (x, *windows[0]):
        part.data[...] = -1
    assert y.tolist() == expected, "input and target share no memory"
    assert [part.tolist() for part in windows[0]] == [list(range(length)), list(range(1, length + 1))]
    assert len(list(windows)) == len(windows)


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        (lambda: pad_sequences(["ab"]), TypeError, "sequence 0 is"),
        (lambda: pad_sequences("ab"), TypeError, "got a text; encode it first"),
        (lambda: pad_sequences([[0.5]]), TypeError, r"sequence 0 is float64 \(1,\); expected whole numbers"),
        (lambda: pad_sequences([[1]], side="post"), ValueError, "side is 'left' or 'right', not 'post'"),
        (lambda: pad_sequences([[1]], -1), ValueError, "length must be a whole number"),
        (lambda: CharacterWindows("text", 2), TypeError, "encode the text first"),
        (lambda: WordTokenizer(1), ValueError, "size must be a whole number of at least 2"),
        (lambda: WordTokenizer(oov="x", padding="x"), ValueError, "both 'x'"),
        (lambda: WordTokenizer().fit([1]), TypeError, "a list of texts, found int"),
        (lambda: WordTokenizer().encode(["a", None]), TypeError, "a list of texts, found NoneType"),
        (lambda: WordTokenizer().decode([2]), IndexError, "index 2 is out of range for 2 tokens"),
        (lambda: WordTokenizer().decode([-1]), IndexError, "index -1 is out of range"),
        (lambda: WordTokenizer().decode([0.5]), TypeError, "whole numbers"),
        (lambda: CharacterTokenizer("ab"), ValueError, "oov is one character, not 'ab'"),
    ],
)
def test_text_that_does_not_fit(do, error, words):
    with pytest.raises(error, match=words):
        do()


# ------------------------------------------------------------------------------------------------------------- sonnets


def test_sonnets():
    text = data.sonnets()
    assert (len(text), len(set(text)), len(text.split("\n\n"))) == (94_109, 61, 154)
    assert text.startswith("From fairest creatures we desire increase,\nThat thereby beauty's rose")
    assert text.endswith("water cools not love.")
    note = (files("minigrad.data") / "sonnets.txt").read_text(encoding="utf8")
    for words in ("public domain", "shakespeare-data 3.0.0", "Apache License 2.0", "94,109"):
        assert words in note
