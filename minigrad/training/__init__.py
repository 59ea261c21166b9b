"""Floor 5: training: the loop, and what stands around it.

    history = training.fit(model, cross_entropy, optimizer, batches, epochs=10, validation=held_out,
                           metrics={"accuracy": accuracy}, checkpoint="run", resume=True)
    history.draw()

fit.py          the loop
evaluation.py   `evaluate` and `predict`, which look at a model without changing it
averages.py     means over an epoch, of losses that stay on the device
history.py      what each epoch gave: a table, a file, a picture
stopping.py     early stopping
checkpoints.py  everything that a training is made of, in a file, to continue from bit for bit
settings.py     what the loop is asked to do: checked, and compared with that of a checkpoint
divergence.py   losses and parameters that are no longer finite
progress.py     what the loop shows, and how Ctrl-C stops it
rewind.py       what an exception that ends it leaves
folds.py        k-fold cross-validation
"""

from .checkpoints import CheckpointError, CheckpointWarning, load_checkpoint
from .divergence import DivergenceError
from .evaluation import evaluate, predict
from .fit import fit
from .folds import CrossValidation, cross_validate, k_fold
from .history import History
from .stopping import EarlyStopping

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "CrossValidation",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "cross_validate",
    "evaluate",
    "fit",
    "k_fold",
    "load_checkpoint",
    "predict",
]
