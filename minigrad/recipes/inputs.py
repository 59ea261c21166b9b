"""Floor 5: how a user's file or text becomes an input of a network, remembered in plain JSON beside its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..creation import tensor
from ..data import CharacterTokenizer, Normalize, WordTokenizer, pad_sequences
from ..tensor import Tensor


class Input:
    """What the forms of input share: `read` gives a batch of one, `state` what is needed to make the form again."""

    kind: ClassVar[str]
    tokens: ClassVar[Any] = None  # the class of its tokenizer

    def read(self, what: str) -> Tensor:
        """A file or a text as a batch of one."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Plain data."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind} | {name: x.state() if name == "tokenizer" else x for name, x in values.items()}


@dataclass
class ImageInput(Input):
    """An image file, brought to the size, the channels and the scale that a network was trained on.

    Grey networks here learned light strokes on a dark ground: an image whose rim is light is turned into its negative.
    """

    side: int
    channels: int = 1
    mean: float = 0.5
    std: float = 0.5

    kind = "image"

    def read(self, what: str) -> Tensor:
        """A file as a batch of one: (1, channels, side, side)"""
        from PIL import Image, ImageOps

        try:
            with Image.open(what) as file:
                image = ImageOps.exif_transpose(file).convert("RGBA")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{what} is no image that can be read ({error})") from error
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if self.channels == 1 else "RGB")
        image = ImageOps.fit(image, (self.side, self.side), Image.Resampling.BOX)  # the middle, where it is no square
        x = np.asarray(image, np.float32).reshape(self.side, self.side, self.channels).transpose(2, 0, 1) / 255
        rim = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
        if self.channels == 1 and rim.mean() > 0.5:
            x = 1 - x
        return tensor(Normalize(self.mean, self.std).apply(x[None]))

    def shown(self, x: Any) -> np.ndarray:
        """A batch (N, C, H, W) as a picture is drawn: (N, H, W), or (N, H, W, 3) in colour, from 0 to 1"""
        images = Normalize(self.mean, self.std).inverse(x).clip(0, 1).transpose(0, 2, 3, 1)
        return images[..., 0] if self.channels == 1 else images


@dataclass
class NumberInput(Input):
    """Numbers, brought to mean 0 and deviation 1 as in training. The last name, mean and deviation are the target's."""

    names: list[str]
    mean: list[float]
    std: list[float]

    kind = "numbers"

    def read(self, what: str) -> Tensor:
        """Numbers with commas between them, as a batch of one: (1, inputs)"""
        inputs = self.names[:-1]
        try:
            values = [float(part) for part in what.split(",")]
        except ValueError:
            values = []
        if len(values) != len(inputs) or not np.isfinite(values).all():
            raise ValueError(f"expected {len(inputs)} with commas between them ({', '.join(inputs)}), not {what!r}")
        return tensor((np.array([values]) - self.mean[:-1]) / self.std[:-1]).astype("float32")

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """(N, inputs + 1) in the units of the data → the same in those of the network, float32"""
        return Normalize(self.mean, self.std).apply(rows.astype(np.float64)).astype(np.float32)

    def unscaled(self, rows: np.ndarray) -> np.ndarray:
        """The way back."""
        return Normalize(self.mean, self.std).inverse(rows.astype(np.float64))


@dataclass
class WordInput(Input):
    """A text, as the indices of its words, cut or filled up to a length."""

    tokenizer: WordTokenizer
    length: int

    kind = "words"
    tokens = WordTokenizer

    def read(self, what: str) -> Tensor:
        """A text, or the file that it is in, as a batch of one: (1, length)"""
        return tensor(self.encode([text_of(what)]))

    def encode(self, texts: list[str]) -> np.ndarray:
        """(N, length); padding is 0, at the end"""
        return pad_sequences(self.tokenizer.encode(texts), self.length)


@dataclass
class LetterInput(Input):
    """A word, as the indices of its letters, filled up to a length with 0; `first` is the index of the first letter."""

    tokenizer: CharacterTokenizer
    length: int
    first: int = 1

    kind = "letters"
    tokens = CharacterTokenizer

    def read(self, what: str) -> Tensor:
        """A word, or the file that it is in, as a batch of one: (1, length)"""
        word = text_of(what).strip()
        if not 0 < len(word) <= self.length:
            raise ValueError(f"expected a word of 1 to {self.length} letters, not {word!r}")
        return tensor(self.encode([word]))

    def encode(self, words: list[str]) -> np.ndarray:
        """(N, length)"""
        return pad_sequences([indices_of(self.tokenizer, word) + self.first for word in words], self.length)


@dataclass
class CharacterInput(Input):
    """A text that a language model goes on with, or, where there is a mask, one with places to fill in."""

    tokenizer: CharacterTokenizer
    mask: str | None = None

    kind = "characters"
    tokens = CharacterTokenizer

    def read(self, what: str) -> Tensor:
        """A text, or the file that it is in, as a batch of one: (1, T). The mask is the index after the last."""
        text = text_of(what)
        if not text:
            raise ValueError("the text is empty")
        if self.mask is None:
            return tensor(indices_of(self.tokenizer, text)[None])
        hidden = np.array([character == self.mask for character in text])
        seen = indices_of(self.tokenizer, text.replace(self.mask, self.tokenizer.characters[0]))
        return tensor(np.where(hidden, len(self.tokenizer), seen)[None])

    def characters(self, tokens: Any) -> list[str]:
        """What the tokens (T,) stand for."""
        table = [*self.tokenizer.characters, self.mask or ""]
        return [table[int(i)] for i in tokens]


def indices_of(tokenizer: CharacterTokenizer, text: str) -> np.ndarray:
    """The indices of a text, all of whose characters were there in training."""
    strange = sorted(set(text) - set(tokenizer.characters)) if tokenizer.oov is None else []
    if strange:
        raise ValueError(f"the network never saw {', '.join(map(repr, strange[:5]))}")
    return tokenizer.encode(text)


def text_of(what: str) -> str:
    """The text in a file of that name, or, where there is none, the argument itself."""
    path = Path(what)
    try:
        return path.read_text(encoding="utf8") if path.is_file() else what
    except OSError:  # too long for a name
        return what


FORMS: Mapping[str, Any] = {
    form.kind: form for form in (ImageInput, NumberInput, WordInput, LetterInput, CharacterInput)
}


def restored(state: Mapping[str, Any] | None) -> Any:
    """The input that gave this state."""
    if state is None:
        return None
    values = dict(state)
    form = FORMS[values.pop("kind")]
    if form.tokens is not None:
        values["tokenizer"] = form.tokens.restored(values["tokenizer"])
    return form(**values)
