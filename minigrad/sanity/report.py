"""Floor 5: what a sanity check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap

WIDTH = 110


@dataclass(frozen=True)
class Finding:
    """The answer to one question: `status` is "ok", "problem", or "note", which is worth knowing and no fault."""

    check: str
    status: str
    found: str
    cure: str = ""


class Report:
    """What a sanity check found: print it.

    ok         whether there is no problem
    problems   the findings that are problems; `findings` has all of them
    losses     the loss over the steps of the attempt to learn the batch by heart
    ratios     {parameter: |update| / |weight|} in the first steps
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.findings: list[Finding] = []
        self.losses: list[float] = []
        self.ratios: dict[str, float] = {}

    def add(self, check: str, status: str, found: str, cure: str = "") -> None:
        """One more finding."""
        self.findings.append(Finding(check, status, found, cure))

    @property
    def problems(self) -> list[Finding]:
        """The findings that are problems."""
        return [finding for finding in self.findings if finding.status == "problem"]

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def __getitem__(self, check: str) -> list[Finding]:
        """The findings of one check, by its name: report["gradients"]."""
        found = [finding for finding in self.findings if finding.check == check]
        if not found:
            raise KeyError(f"there is no finding {check!r}; there are {', '.join({f.check: 0 for f in self.findings})}")
        return found

    def __repr__(self) -> str:
        count = len(self.problems)
        lines = [f"{self.title}: {'no problem' if not count else f'{count} problem' + 's' * (count > 1)} found"]
        first = max((len(finding.check) for finding in self.findings), default=0)
        before = ""
        for finding in self.findings:
            status = finding.status.upper() if finding.status == "problem" else finding.status
            head = f"  {status:8}{finding.check if finding.check != before else '':{first}}  "
            cure = wrap(finding.cure, WIDTH - len(head) - 2)
            text = wrap(finding.found, WIDTH - len(head)) + [("→ " if not i else "  ") + t for i, t in enumerate(cure)]
            lines += [(head if not i else " " * len(head)) + line for i, line in enumerate(text)]
            before = finding.check
        return "\n".join(line.rstrip() for line in lines)


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names in a sentence; of many, the first."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
