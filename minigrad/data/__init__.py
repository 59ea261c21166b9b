"""Floor 4: data sets, batches of them, and a set of real images that comes along.

    images, labels = data.digits()
    training, held_out = data.random_split(data.TensorDataset(images, labels), (0.8, 0.2), generator=0)
    for x, y in data.DataLoader(training, batch_size=32, shuffle=True, generator=0):
        ...
"""

from .bundled import digits
from .collate import collate
from .datasets import Dataset, Subset, TensorDataset, random_split
from .loader import DataLoader

__all__ = ["DataLoader", "Dataset", "Subset", "TensorDataset", "collate", "digits", "random_split"]
