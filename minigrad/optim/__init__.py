"""Floor 4: optimisers. Each is a rule that turns gradients into changes of parameters, written in equation order.

optimizer = optim.Adam(model.parameters(), lr=1e-3)
for x, y in loader:
    optimizer.zero_grad()
    cross_entropy(model(x), y).backward()
    optimizer.step()
"""

from .adam import Adam, AdamW, adam_step
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "adam_step"]
