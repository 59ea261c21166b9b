"""Floor 5: recipes that classify texts and words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..creation import Generator
from ..data import CharacterTokenizer, TensorDataset, WordTokenizer
from ..data.images import contents
from ..models import LSTMClassifier, TextClassifier
from . import answers, pictures
from .images import adam, cross_entropy
from .inputs import LetterInput, WordInput
from .measures import accuracy, either_accuracy, of_classes
from .recipe import Recipe, Task

HELD_OUT = 0.2
TEXTS = (
    "a .csv, .tsv or .jsonl file (.gz too) with the columns text and label, or named by --text and --label (numbers "
    "from 0 on for a file that does not name them; a .tsv of that kind has the label first)"
)


Texts = tuple[list[str], np.ndarray, list[str]]  # texts, the number of the class of each, the names of the classes
READERS: dict[str, Any] = {".csv": data.read_csv, ".tsv": data.read_tsv, ".jsonl": data.read_jsonl}


def read(path: str, text: str | None, label: str | None, known: Task | None) -> Texts:
    """A table of the kind that the name of the file tells. The classes are in the order of those that are known."""
    suffix = Path(Path(path).name.removesuffix(".gz")).suffix
    if suffix not in READERS:
        raise ValueError(f"{path}: expected a name that ends in .csv, .tsv or .jsonl (or the same with .gz)")
    if suffix == ".tsv" and text is None and label is None:
        first = contents(path).partition(b"\n")[0].strip().split(b"\t")
        text, label = ("1", "0") if not {b"text", b"label"} <= set(first) else (None, None)
    columns: dict[str, Any] = {"text": text or "text", "label": label or "label"}
    options: dict[str, Any] = {} if known is None else {"classes": known.classes}
    if suffix != ".jsonl" and all(name.isdigit() for name in columns.values()):
        columns, options["header"] = {part: int(name) for part, name in columns.items()}, False
    table = READERS[suffix](path, **columns, **options)
    return table.text, table.labels, table.classes


def parts(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to learn from and to be judged by, drawn by a seed."""
    learned, held_out = data.random_split(range(count), (1 - HELD_OUT, HELD_OUT), Generator(seed))
    return learned.indices, held_out.indices


def quatrains() -> Texts:
    """The sonnets in pieces of four lines: those to a young man (1 to 126), and those to a dark lady (127 to 154)."""
    poems = [poem.splitlines() for poem in data.sonnets().strip().split("\n\n")]
    texts = [("\n".join(lines[k : k + 4]), i >= 126) for i, lines in enumerate(poems) for k in range(0, len(lines), 4)]
    return [text for text, _ in texts], np.array([int(second) for _, second in texts]), ["young man", "dark lady"]


def text_classifier(
    path: str | None = None,
    seed: int = 0,
    known: Task | None = None,
    text: str | None = None,
    label: str | None = None,
    words: int = 10_000,
    length: int = 500,
) -> Task:
    """Texts and their classes. The tokenizer learns from the training part alone."""
    if path is None:
        texts, labels, classes = quatrains()
    else:
        texts, labels, classes = read(path, text, label, known)
    learned, held_out = parts(len(texts), seed)
    if known is None:
        tokenizer = WordTokenizer(words).fit([texts[i] for i in learned])
        longest = max(len(tokenizer.encode(texts[i])) for i in learned)
        form = WordInput(tokenizer, max(min(length, longest), 1))
    else:
        form = known.input
    tokens = form.encode(texts)
    targets = labels.astype(np.float32) if len(classes) == 2 else labels
    training, test = (TensorDataset(tokens[part], targets[part]) for part in (learned, held_out))
    sizes = {"vocabulary": words, "classes": len(classes)}
    return Task(TextClassifier, sizes, training, test, classes=classes, input=form)


def yes_or_which(F: Any, logits: Any, labels: Any) -> Any:
    """Binary cross-entropy for one logit, cross-entropy for more"""
    if logits.ndim == 1:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.cross_entropy(logits, labels)


def names(
    path: str | None = None,
    seed: int = 0,
    known: Task | None = None,
    text: str | None = None,
    label: str | None = None,
) -> Task:
    """Words and their classes, read letter by letter."""
    if path is None:
        texts, labels, classes = quatrains()
        pairs = [(word, k) for line, k in zip(texts, labels) for word in line.split()]
        texts, labels = [word for word, _ in pairs], np.array([k for _, k in pairs])
    else:
        texts, labels, classes = read(path, text, label, known)
    learned, held_out = parts(len(texts), seed)
    if known is None:
        tokenizer = CharacterTokenizer(oov="\ufffd").fit([texts[i] for i in learned])
        form = LetterInput(tokenizer, max(map(len, texts)))
    else:
        form = known.input
    tokens = form.encode(texts)
    training, test = (TensorDataset(tokens[part], labels[part]) for part in (learned, held_out))
    sizes = {"vocabulary": len(form.tokenizer) + 1, "classes": len(classes)}
    return Task(LSTMClassifier, sizes, training, test, classes=classes, input=form)


RECIPES = [
    Recipe(
        name="text_classifier",
        about="average of word vectors, 24 units: what a text is about, or whether it is friendly",
        task=text_classifier,
        loss=yes_or_which,
        optimizer=adam(1e-3),
        metrics={"accuracy": either_accuracy},
        judge=of_classes,
        answer=answers.classes,
        epochs=10,
        batch_size=32,
        pictures=(pictures.confusion,),
        data=TEXTS + "; default: quatrains of Shakespeare's sonnets, to whom they speak",
        monitor="accuracy",
    ),
    Recipe(
        name="lstm_classifier",
        about="an LSTM that reads a word letter by letter, such as a name, and tells where it comes from",
        task=names,
        loss=cross_entropy,
        optimizer=adam(3e-3),
        metrics={"accuracy": accuracy},
        judge=of_classes,
        answer=answers.classes,
        clip_norm=1.0,
        epochs=10,
        batch_size=64,
        pictures=(pictures.confusion,),
        data=TEXTS + "; default: words of the sonnets",
        monitor="accuracy",
    ),
]
