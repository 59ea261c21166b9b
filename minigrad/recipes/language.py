"""Floor 5: recipes for language models: what comes next, and what was left out."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import numpy as np

from .. import data
from ..data import CharacterTokenizer, CharacterWindows, TensorDataset
from ..data.images import contents
from ..models import BERT, GPT, CharLSTM, CharRNN, EncoderDecoder
from ..models.encoder_decoder import END, PADDING, START
from . import answers, pictures
from .images import adam, adamw, one_cycle
from .inputs import CharacterInput, LetterInput, indices_of
from .measures import masked_accuracy, of_text
from .recipe import Recipe, Task

HELD_OUT = 0.1  # the last part of a text
TEXT = "a text file (.txt, .gz); default: Shakespeare's sonnets"
STEPS = 100  # of an epoch
WINDOW, COPIES, MASK = 64, 3, "_"  # of the masked text


def read(path: str | None) -> str:
    """The text in a file, or the sonnets."""
    if path is None:
        return data.sonnets()
    try:
        return contents(path).decode("utf8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8; is it a text?") from error


def split(
    path: str | None, known: Task | None, mask: str | None = None
) -> tuple[np.ndarray, np.ndarray, CharacterInput]:
    """The characters of a text, the last tenth apart, and what numbers them."""
    text = read(path)
    form = CharacterInput(CharacterTokenizer().fit(text), mask) if known is None else known.input
    tokens = indices_of(form.tokenizer, text)
    cut = int(len(tokens) * (1 - HELD_OUT))
    return tokens[:cut], tokens[cut:], form


def next_character(network: Callable[..., Any], length: int, batch_size: int, **sizes: Any) -> Callable[..., Task]:
    """A task that predicts each character of a window of `length` from those before."""

    def task(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
        learned, held_out, form = split(path, known)
        training = CharacterWindows(learned, length)
        test = CharacterWindows(held_out, length, stride=length)
        arguments = {"vocabulary": len(form.tokenizer), **sizes}
        return Task(network, arguments, training, test, input=form, samples=STEPS * batch_size)

    return task


def of_each_position(F: Any, logits: Any, targets: Any) -> Any:
    """The mean over all positions: logits (N, T, vocabulary), targets (N, T), −100 where nothing is asked"""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-100)


def masked(codes: np.ndarray, length: int, vocabulary: int, rng: np.random.Generator) -> TensorDataset:
    """Windows with holes. 15 % of the characters are asked for: of these, 80 % are the mask (number `vocabulary`), 10 %
    another character, and 10 % are left as they are: Devlin et al. (2018), section 3.1."""
    count = len(codes) // length
    x = codes[: count * length].reshape(count, length)
    asked, how = rng.random(x.shape) < 0.15, rng.random(x.shape)
    seen = np.where(asked & (how < 0.8), vocabulary, x)
    seen = np.where(asked & (how >= 0.9), rng.integers(vocabulary, size=x.shape), seen)
    return TensorDataset(seen, np.where(asked, x, -100))


def bert(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
    """Characters that are to be filled in. The training part is there several times, cut and masked anew each time."""
    learned, held_out, form = split(path, known, MASK)
    n, rng = len(form.tokenizer), np.random.default_rng(seed)
    test = masked(held_out, WINDOW, n, rng)
    cuts = [masked(learned[k * WINDOW // COPIES :], WINDOW, n, rng).tensors for k in range(COPIES)]
    training = TensorDataset(*(np.concatenate([x.numpy() for x in same]) for same in zip(*cuts, strict=True)))
    return Task(BERT, {"vocabulary": n + 1, "context": WINDOW}, training, test, input=form)


def backwards(count: int, form: LetterInput, rng: np.random.Generator) -> TensorDataset:
    """Words made up of any letters: (the word, START and the word from its end, the word from its end and END)"""
    lengths = rng.integers(1, form.length + 1, size=count)
    words = ["".join(rng.choice(list(form.tokenizer.characters), n)) for n in lengths]
    turned = [row[:n][::-1] for row, n in zip(form.encode(words), lengths, strict=True)]
    seen = data.pad_sequences([[START, *row] for row in turned], form.length + 1, PADDING)
    asked = data.pad_sequences([[*row, END] for row in turned], form.length + 1, -100)
    return TensorDataset(form.encode(words), seen, asked)


def encoder_decoder(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
    """Words of letters that are to be written backwards: made up, so there is nothing to read."""
    if path is not None:
        raise ValueError("this recipe makes its own data; leave --data out")
    form = LetterInput(CharacterTokenizer().fit(ascii_lowercase), 8, END + 1)
    rng = np.random.default_rng(seed)
    training, test = (backwards(count, form, rng) for count in (8192, 512))
    return Task(EncoderDecoder, {"vocabulary": END + 1 + len(form.tokenizer)}, training, test, input=form)


LANGUAGE: Any = {"loss": of_each_position, "clip_norm": 1.0, "judge": of_text, "data": TEXT}

RECIPES = [
    Recipe(
        name="char_rnn",
        about="a recurrent network that writes text, character by character",
        task=next_character(CharRNN, 64, 32, hidden=256),
        optimizer=adam(2e-3),
        schedule=one_cycle(3e-3),
        epochs=20,
        batch_size=32,
        pictures=(pictures.samples_of_text,),
        **LANGUAGE,
    ),
    Recipe(
        name="char_lstm",
        about="the same with long short-term memory",
        task=next_character(CharLSTM, 64, 32, hidden=256),
        optimizer=adam(3e-3),
        schedule=one_cycle(4e-3),
        epochs=20,
        batch_size=32,
        pictures=(pictures.samples_of_text,),
        **LANGUAGE,
    ),
    Recipe(
        name="gpt",
        about="a generative transformer in the manner of GPT-2",
        task=next_character(GPT, 64, 16, context=64, width=128, heads=4, layers=4),
        optimizer=adamw(2e-3, 0.1),
        schedule=one_cycle(3e-3),
        epochs=20,
        batch_size=16,
        pictures=(pictures.samples_of_text, pictures.attention_maps),
        **LANGUAGE,
    ),
    Recipe(
        name="bert",
        about="an encoder that fills in masked characters from both sides",
        task=bert,
        optimizer=adamw(1e-3),
        schedule=one_cycle(2e-3),
        metrics={"accuracy": masked_accuracy},
        epochs=20,
        batch_size=32,
        answer=answers.filled,
        pictures=(pictures.attention_maps,),
        **LANGUAGE,
    ),
    Recipe(
        name="encoder_decoder",
        about="a transformer that reads a word and writes it backwards",
        task=encoder_decoder,
        loss=of_each_position,
        optimizer=adamw(1e-3),
        schedule=one_cycle(3e-3),
        metrics={"accuracy": masked_accuracy},
        clip_norm=1.0,
        epochs=6,
        batch_size=64,
        answer=answers.written,
        pictures=(pictures.attention_across,),
        data="made up: words of letters",
        monitor="accuracy",
    ),
]
