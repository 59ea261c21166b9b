"""All mistakes, by topic."""

from __future__ import annotations

from . import Mistake
from .gradients import GRADIENTS
from .networks import NETWORKS
from .shapes import SHAPES
from .trainings import TRAININGS

TOPICS: dict[str, list[Mistake]] = {**SHAPES, **GRADIENTS, **NETWORKS, **TRAININGS}
MISTAKES = [mistake for mistakes in TOPICS.values() for mistake in mistakes]
