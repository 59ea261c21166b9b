"""What became of the mutants: how many of each kind and of each file were caught, and who survived for which reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .formulas import Formula
from .mutations import Mutant
from .trials import Outcome

EQUIVALENT = Path(__file__).with_name("equivalent.txt")
SHARE = 0.99  # of all mutants


def name_of(formula: Formula, mutant: Mutant) -> str:
    """The name of a mutant, which stays when lines are added above it."""
    return f"{formula.file} {formula.name}: {mutant}"


def key(outcome: Outcome) -> str:
    return name_of(outcome.formula, outcome.mutant)


def label(outcome: Outcome) -> str:
    m = outcome.mutant
    return f"{outcome.formula.file}:{m.line} {outcome.formula.name} [{m.kind}]  {m}"


def known() -> dict[str, str]:
    """{the name of a mutant: why it computes the same}. In the file a reason follows the mutants that it is given for,
    and is indented; lines that begin with # are remarks."""
    found: dict[str, str] = {}
    waiting: list[str] = []
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            for name in waiting:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        else:
            if waiting and waiting[-1] in found:
                waiting = []
            waiting.append(line.strip())
    without = [name for name in waiting if name not in found]
    if without:
        raise SystemExit(f"{EQUIVALENT.name} gives no reason for {without}")
    return found


def written(outcomes: list[Outcome], reasons: dict[str, str], broken: list[str], whole: bool) -> tuple[str, bool]:
    """The report as Markdown, and whether enough were caught and every survivor has its reason."""
    survivors = [o for o in outcomes if not o.caught]
    slow = [o for o in outcomes if o.caught == "time limit"]
    died = [o for o in outcomes if o.caught.startswith("the process died")]
    caught = len(outcomes) - len(survivors)
    unexplained = [o for o in survivors if key(o) not in reasons]
    names = {key(o) for o in survivors}
    stale = [name for name in reasons if name not in names] if whole else []
    share = caught / max(len(outcomes), 1)
    parts = [
        "# Mutants\n",
        "Every backward formula and the engine's walk, broken in every way that one slip would break them; the tests "
        "of the operation alone have to notice. Written by `make mutants`.\n",
        f"**{caught} of {len(outcomes)} caught: {100 * share:.2f} %.** By the time limit: {len(slow)}; by the death of "
        f"the process: {len(died)}; the others by a test that fails. {len(survivors)} survived, "
        f"{len(survivors) - len(unexplained)} of them for a known reason.\n",
        "Without the changes of a name, which are the easiest to notice: "
        + counted([o for o in outcomes if o.mutant.kind != "name"])
        + ".\n",
        table("kind of change", outcomes, lambda o: o.mutant.kind),
        table("file", outcomes, lambda o: o.formula.file),
    ]
    for title, those in (("without a reason", unexplained), ("that compute the same", survivors)):
        rest = [o for o in those if (key(o) in reasons) == (those is survivors)]
        if rest:
            parts.append(f"## Survivors {title}\n")
            parts += [entry(o, reasons.get(key(o), "")) for o in rest]
            parts.append("")
    for title, found in (
        ("Reasons without a survivor", stale),
        ("Tests that fail with the formulas intact, and prove nothing", broken),
    ):
        if found:
            parts.append(f"## {title}\n")
            parts += [*(f"- `{name}`" for name in found), ""]
    return "\n".join(parts).rstrip() + "\n", share >= SHARE and not (unexplained or stale or broken)


def entry(outcome: Outcome, reason: str) -> str:
    m, f = outcome.mutant, outcome.formula
    said = f"\n  {reason}" if reason else f" ({outcome.tests} tests)"
    return f"- {f.file}:{m.line} {f.name}, {m.kind}: `{m}`{said}"


def counted(outcomes: list[Outcome]) -> str:
    caught = sum(bool(o.caught) for o in outcomes)
    return f"{caught} of {len(outcomes)}, {100 * caught / max(len(outcomes), 1):.2f} %"


def table(title: str, outcomes: list[Outcome], column: Callable[[Outcome], str]) -> str:
    every = Counter(map(column, outcomes))
    caught = Counter(column(o) for o in outcomes if o.caught)
    rows = [f"| {name} | {n} | {caught[name]} | {n - caught[name]} |" for name, n in sorted(every.items())]
    return "\n".join([f"| {title} | mutants | caught | survived |", "|---|---|---|---|", *rows, ""])
