# For type checkers alone: operations are gathered at import, so their names are not in the source.
from typing import Any

__all__: list[str]

def __getattr__(name: str) -> Any: ...
