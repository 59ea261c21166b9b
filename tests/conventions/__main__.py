"""`python -m tests.conventions` writes docs/conventions.md anew."""

from .page import PAGE, page

PAGE.write_text(page(), encoding="utf8")
print(f"{PAGE.relative_to(PAGE.parents[1])} is written")
