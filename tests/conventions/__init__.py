"""The conventions: what comes out and what comes back at every kink, tie and singular point, as data.

The tests run these tables on every backend and in both precisions; `python -m tests.conventions` writes the page
docs/conventions.md from the same lines.
"""
