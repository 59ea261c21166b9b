"""Calls of operations, drawn from their domains: the public strategies are what the tests draw with too."""

from minigrad.check.strategies import INVARIANT, Call, Subject, calls, subject

__all__ = ["INVARIANT", "Call", "Subject", "calls", "subject"]
