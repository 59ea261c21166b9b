"""Floor 5: every network of `models/`, with the data that it learns from and how.

`python -m minigrad train` runs them (see run.py).
"""

from . import images, language, lines, text
from .recipe import Recipe, Task

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for room in (lines, images, text, language) for recipe in room.RECIPES
}

__all__ = ["RECIPES", "Recipe", "Task"]
