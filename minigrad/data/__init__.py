"""Floor 4: data sets, batches of them, readers of files, text as numbers, and sets that come along.

images, labels = data.digits()
training, held_out = data.random_split(data.TensorDataset(images, labels), (0.8, 0.2), generator=0)
for x, y in data.DataLoader(training, batch_size=32, shuffle=True, generator=0):
    ...
"""

from .bundled import digits, sonnets
from .collate import collate
from .datasets import Dataset, Subset, TensorDataset, random_split, stratified_split
from .download import DownloadError, cache_folder, fetch
from .images import CIFAR10_CLASSES, cifar10, mnist, read_cifar10, read_idx
from .loader import DataLoader, Order
from .samplers import (
    BalancedSampler,
    BatchSampler,
    BucketSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
    class_weights,
)
from .tables import Table, read_csv, read_jsonl, read_tsv
from .text import BytePairTokenizer, CharacterTokenizer, CharacterWindows, WordTokenizer, pad_sequences
from .transforms import (
    Compose,
    Cutout,
    GaussianNoise,
    Normalize,
    OneHot,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    Scale,
    Standardize,
    Transform,
    TransformedDataset,
)

__all__ = [
    "DataLoader",
    "Order",
    "Dataset",
    "Subset",
    "TensorDataset",
    "TransformedDataset",
    "Table",
    "CharacterWindows",
    "collate",
    "random_split",
    "stratified_split",
    "digits",
    "sonnets",
    "read_idx",
    "mnist",
    "read_cifar10",
    "cifar10",
    "CIFAR10_CLASSES",
    "read_csv",
    "read_tsv",
    "read_jsonl",
    "fetch",
    "cache_folder",
    "DownloadError",
    "Transform",
    "Compose",
    "Scale",
    "Normalize",
    "Standardize",
    "OneHot",
    "RandomCrop",
    "RandomShift",
    "RandomHorizontalFlip",
    "GaussianNoise",
    "Cutout",
    "Sampler",
    "SequentialSampler",
    "RandomSampler",
    "WeightedRandomSampler",
    "BalancedSampler",
    "BatchSampler",
    "BucketSampler",
    "class_weights",
    "WordTokenizer",
    "CharacterTokenizer",
    "BytePairTokenizer",
    "pad_sequences",
]
