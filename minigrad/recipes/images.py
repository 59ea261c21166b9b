"""Floor 5: recipes for images: classifiers, an autoencoder, a generator.

Without --data they learn the digits that come along (8 × 8). A folder of MNIST's four files, or CIFAR-10 in its binary
version or as .npz, takes their place; the networks adapt to the size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..creation import Generator
from ..data import Compose, GaussianNoise, Normalize, RandomCrop, RandomHorizontalFlip, RandomShift, TensorDataset
from ..models import GAN, MLP, VGG, Autoencoder, CifarCNN, EncoderClassifier, InceptionNet, MnistCNN, ResNet, ViT
from . import answers, pictures
from .inputs import ImageInput
from .measures import accuracy, of_classes
from .recipe import Recipe, Task

HELD_OUT = 0.2  # of the digits; MNIST and CIFAR-10 have a test part of their own
IMAGES = "a folder with the files of MNIST, or CIFAR-10 (binary version or .npz); default: 1,797 digits of 8 × 8"


def read(path: str | None, seed: int) -> tuple[Any, Any, list[str]]:
    """The training part, the test part, and the names of the classes. Images (N, C, H, W) from 0 to 1."""
    digits = [str(i) for i in range(10)]
    if path is None:
        images, labels = data.digits()
        both = data.random_split(TensorDataset(images[:, None], labels), (1 - HELD_OUT, HELD_OUT), Generator(seed))
        training, test = (TensorDataset(*part[:]) for part in both)
        return training, test, digits
    folder = Path(path)
    if folder.is_dir() and any("idx" in file.name for file in folder.iterdir()):
        return *data.mnist(path), digits
    return *data.cifar10(path), list(data.CIFAR10_CLASSES)


def scaled(part: Any, side: int = 0, channels: int = 0) -> TensorDataset:
    """From [0, 1] to [−1, 1]: mean .5 and deviation .5. Smaller images come to `side` by enlarging, by a whole factor,
    and a margin; their channels become `channels`, where 1 is grey."""
    images, labels = (x.numpy() for x in part.tensors)
    now = images.shape[-1]
    if side > now:
        images = images.repeat(side // now, axis=-1).repeat(side // now, axis=-2)
        margin = side - images.shape[-1]
        around = (margin // 2, margin - margin // 2)
        images = np.pad(images, ((0, 0), (0, 0), around, around))
    if channels == 1:
        images = images.mean(axis=1, keepdims=True)
    elif channels > images.shape[1]:
        images = images.repeat(channels, axis=1)
    return TensorDataset(Normalize(0.5, 0.5)(images.astype(np.float32)), labels)


def classifier(
    network: Callable[..., Any],
    sizes: Callable[[int, int], dict],
    augment: Callable[[int], Any] = lambda side: None,
    flips: bool = False,
    **shape: int,
) -> Callable[..., Task]:
    """A task that classifies images; `sizes(side, channels)` are the arguments of the network, and
    `augment(side)` changes training images. Where `flips`, they are mirrored too, unless they are digits."""

    def task(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
        training, test, classes = read(path, seed)
        training, test = (scaled(part, **shape) for part in (training, test))
        _, channels, _, side = training.tensors[0].shape
        arguments = sizes(side, channels) | {"classes": len(classes)}
        mirrored = flips and not classes[0].isdigit()
        changed = Compose([augment(side), RandomHorizontalFlip()]) if mirrored else augment(side)
        return Task(network, arguments, training, test, changed, classes, ImageInput(side, channels))

    return task


def pixels(part: Any) -> TensorDataset:
    """Images as their own targets."""
    images = part.tensors[0]
    return TensorDataset(images, images)


def autoencoder(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
    """Images from 0 to 1 that are to be given back."""
    training, test, _ = read(path, seed)
    _, channels, _, side = training.tensors[0].shape
    form = ImageInput(side, channels, mean=0.0, std=1.0)
    return Task(Autoencoder, {"in_features": channels * side**2}, pixels(training), pixels(test), input=form)


def ring(count: int, seed: int) -> np.ndarray:
    """Points around eight places on a circle, with deviation 0.05: (count, 2)"""
    rng = np.random.default_rng(seed)
    angles = rng.integers(8, size=count) * np.pi / 4
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (centres + rng.normal(scale=0.05, size=(count, 2))).astype(np.float32)


def gan(path: str | None = None, seed: int = 0, known: Task | None = None) -> Task:
    """Points on a ring; with a path, images."""
    if path is None:
        training, test = (TensorDataset(x, x) for x in (ring(4096, seed), ring(512, seed + 1)))
        return Task(GAN, {"out_features": 2}, training, test)
    training, test, _ = read(path, seed)
    _, channels, _, side = training.tensors[0].shape
    sizes = {"out_features": channels * side**2, "bounded": True, "noise": 32, "hidden": 256}
    return Task(GAN, sizes, pixels(training), pixels(test), input=ImageInput(side, channels, mean=0.0, std=1.0))


SMOOTH = 0.1  # how far the discriminator's targets are from certainty, so that its gradients do not vanish


def three_judgements(F: Any, judged: Any, real: Any) -> Any:
    """−ln D(x) − ln(1 − D(G(z))) for the discriminator, − ln D(G(z)) for the generator

    The discriminator is asked for 0.9 and 0.1 in place of 1 and 0; Salimans et al., "Improved techniques for training
    GANs" (2016), § 3.4, smooth the target of the real samples alone.
    """
    of_real, of_drawn, of_drawn_for_generator = judged
    loss = F.binary_cross_entropy_with_logits
    return (
        loss(of_real, 0 * of_real + (1 - SMOOTH))
        + loss(of_drawn, 0 * of_drawn + SMOOTH)
        + loss(of_drawn_for_generator, 0 * of_drawn_for_generator + 1)
    )


def cross_entropy(F: Any, logits: Any, labels: Any) -> Any:
    """−ln p of the right class"""
    return F.cross_entropy(logits, labels)


def squared_error(F: Any, prediction: Any, target: Any) -> Any:
    """(ŷ − y)²"""
    return F.mse_loss(prediction, target)


def adam(rate: float, **options: Any) -> Callable[[Any, Any], Any]:
    """Adam at a rate"""
    return lambda optim, parameters: optim.Adam(parameters, lr=rate, **options)


def adamw(rate: float, decay: float = 0.01, **options: Any) -> Callable[[Any, Any], Any]:
    """Adam at a rate, with weight decay apart"""
    return lambda optim, parameters: optim.AdamW(parameters, lr=rate, weight_decay=decay, **options)


def one_cycle(rate: float) -> Callable[[Any, Any, int], Any]:
    """Up to the rate, and down to nothing; it needs a few steps for that."""
    return lambda schedules, optimizer, steps: schedules.OneCycleLR(optimizer, max_lr=rate, total_steps=max(steps, 10))


CLASSIFIED: Any = {
    "loss": cross_entropy,
    "metrics": {"accuracy": accuracy},
    "judge": of_classes,
    "answer": answers.classes,
    "data": IMAGES,
    "monitor": "accuracy",
}
MAPS: Any = {"pictures": (pictures.answers, pictures.confusion, pictures.feature_maps)}
ATTENDS: Any = {"pictures": (pictures.answers, pictures.confusion, pictures.attention_maps)}

RECIPES = [
    Recipe(
        name="mlp",
        about="multilayer perceptron, pixels-64-10: ReLU, softmax, Adam",
        task=classifier(MLP, lambda side, channels: {"in_features": channels * side * side}),
        optimizer=adam(1e-3),
        epochs=5,
        batch_size=32,
        pictures=(pictures.answers, pictures.confusion),
        **CLASSIFIED,
    ),
    Recipe(
        name="cnn_mnist",
        about="convolution 1→32, pooling, 128, 10 (28×28: 5408 inputs to the first affine map)",
        task=classifier(MnistCNN, lambda side, channels: {"side": side}, channels=1),
        optimizer=adam(1e-3),
        epochs=10,
        batch_size=64,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="cnn_mnist_tuned",
        about="the same with dropout, small shifts and a one-cycle schedule",
        task=classifier(
            MnistCNN,
            lambda side, channels: {"side": side, "dropout": 0.25},
            lambda side: RandomShift(side // 14, fill=-1),
            channels=1,
        ),
        optimizer=adam(1e-3),
        schedule=one_cycle(3e-3),
        epochs=15,
        batch_size=64,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="cnn_cifar",
        about="three convolutions (32, 64, 64) and two affine maps, for colour images of 32 × 32",
        task=classifier(CifarCNN, lambda side, channels: {}, side=32, channels=3),
        optimizer=adam(1e-3),
        epochs=10,
        batch_size=64,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="cnn_cifar_tuned",
        about="the same with random crops, flips, dropout and a one-cycle schedule",
        task=classifier(
            CifarCNN,
            lambda side, channels: {"dropout": 0.2},
            lambda side: RandomCrop(side, padding=4),
            flips=True,
            side=32,
            channels=3,
        ),
        optimizer=adamw(1e-3, 0.01),
        schedule=one_cycle(3e-3),
        epochs=50,
        batch_size=64,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="resnet",
        about="a small residual network with batch normalisation",
        task=classifier(ResNet, lambda side, channels: {"channels": channels}),
        optimizer=adam(2e-3),
        schedule=one_cycle(5e-3),
        epochs=15,
        batch_size=32,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="vgg",
        about="pairs of convolutions 3 × 3 and pooling",
        task=classifier(VGG, lambda side, channels: {"channels": channels}),
        optimizer=adam(2e-3),
        schedule=one_cycle(3e-3),
        epochs=15,
        batch_size=32,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="inception",
        about="windows of several sizes side by side",
        task=classifier(InceptionNet, lambda side, channels: {"channels": channels}),
        optimizer=adam(2e-3),
        schedule=one_cycle(5e-3),
        epochs=15,
        batch_size=32,
        **CLASSIFIED,
        **MAPS,
    ),
    Recipe(
        name="vit",
        about="a small vision transformer: patches as words; with noise in training",
        task=classifier(
            ViT,
            lambda side, channels: {"side": side, "patch": 2 if side < 16 else 4, "channels": channels},
            lambda side: GaussianNoise(0.3),
        ),
        optimizer=adamw(1e-3),
        schedule=one_cycle(2e-3),
        epochs=30,
        batch_size=32,
        **CLASSIFIED,
        **ATTENDS,
    ),
    Recipe(
        name="encoder",
        about="a transformer encoder that reads an image row by row",
        task=classifier(EncoderClassifier, lambda side, channels: {"in_features": side, "max_length": side * channels}),
        optimizer=adamw(1e-3),
        schedule=one_cycle(2e-3),
        epochs=30,
        batch_size=32,
        **CLASSIFIED,
        **ATTENDS,
    ),
    Recipe(
        name="autoencoder",
        about="images through a bottleneck of 8 numbers, and back",
        task=autoencoder,
        loss=squared_error,
        optimizer=adam(1e-3),
        epochs=40,
        batch_size=32,
        pictures=(pictures.reconstructions,),
        data=IMAGES,
    ),
    Recipe(
        name="gan",
        about="a generator against a discriminator: points on a ring (with --data: images)",
        task=gan,
        loss=three_judgements,
        optimizer=adamw(1e-3, 0.3, betas=(0.5, 0.999)),
        epochs=100,
        batch_size=128,
        pictures=(pictures.samples,),
        data=IMAGES.replace("1,797 digits of 8 × 8", "points on a ring"),
    ),
]
