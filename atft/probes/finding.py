"""What a probe reports: a verdict, the evidence and what to do, as a table and as JSON.

A probe accuses only what chance does not explain: a statistic is compared with a bound that no honest column is
expected to pass, at a level that is divided by the number of columns, lags and horizons that the probe looks at.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import Literal

from atft.files.publish import publish_text

FALSE_ALARM = 1e-3
"""Probability that a probe accuses a file without a leak, all of the file's columns, lags and horizons together."""
MAX_NAMED = 3
"""Columns, days or codes that a line of evidence names; the others are counted."""

Verdict = Literal["ok", "LEAK", "cannot tell"]


@dataclass(frozen=True)
class Finding:
    """The result of a probe."""

    probe: str
    """What was looked for, in a few words."""
    verdict: Verdict
    evidence: str
    """Columns, days and numbers; for ``cannot tell`` the reason."""
    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""


@dataclass(frozen=True)
class Suspect:
    """A column, or a set of rows, that a probe accuses."""

    name: str
    evidence: str


def conclude_probe(probe: str, suspects: Iterable[Suspect | None], looked_at: str, remedy: str) -> Finding:
    """Make one finding of the suspects of a probe: a leak where there is any.

    Args:
        suspects: what is accused, the strongest first; None for what was looked at and is not.
        looked_at: what was compared, in words; the evidence of ``ok``.
    """
    accused = [suspect for suspect in suspects if suspect is not None]
    if not accused:
        return Finding(probe, "ok", looked_at)
    shown = "; ".join(f"{s.name}: {s.evidence}" if s.name else s.evidence for s in accused[:MAX_NAMED])
    more = f"; and {len(accused) - MAX_NAMED} more" if len(accused) > MAX_NAMED else ""
    return Finding(probe, "LEAK", shown + more, remedy)


def cannot_tell(probe: str, reason: str, remedy: str = "") -> Finding:
    """A probe that has nothing to judge by."""
    return Finding(probe, "cannot tell", reason, remedy)


def leaks(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that accuse."""
    return [finding for finding in findings if finding.verdict == "LEAK"]


def finding_lines(findings: Sequence[Finding], width: int = 110) -> list[str]:
    """The findings as a table: probe, verdict, evidence; below a leak what to do. Long texts are wrapped."""
    first = max([len(finding.probe) for finding in findings], default=0) + 2
    second = len("cannot tell") + 2
    lines = [f"{'probe':<{first}}{'verdict':<{second}}evidence"]
    lines.append("─" * width)
    for finding in findings:
        texts = [finding.evidence] + ([f"→ {finding.remedy}"] if finding.remedy else [])
        body = [part for text in texts for part in wrap(text, max(30, width - first - second))] or [""]
        lines.append(f"{finding.probe:<{first}}{finding.verdict:<{second}}{body[0]}".rstrip())
        lines += [" " * (first + second) + part for part in body[1:]]
    return lines


def summary_line(findings: Sequence[Finding]) -> str:
    """Count the verdicts in a line."""
    probes, n_leaks = len(findings), len(leaks(findings))
    unknown = sum(f.verdict == "cannot tell" for f in findings)
    leak = f"{n_leaks} of {probes} probes found a leak" if n_leaks else f"no leak in {probes} probes"
    return leak + (f"; {unknown} cannot tell" if unknown else "")


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings as JSON, replacing a file that is there: ``{"leaks": n, "findings": [...]}``."""
    whole = {"leaks": len(leaks(findings)), "findings": [asdict(finding) for finding in findings]}
    publish_text(path, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
