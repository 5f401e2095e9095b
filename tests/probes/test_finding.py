"""A verdict has its evidence and what to do, in a table and in JSON."""

import json
from pathlib import Path

from atft.probes.finding import (
    Suspect,
    cannot_tell,
    conclude_probe,
    finding_lines,
    leaks,
    summary_line,
    write_findings,
)

FINDINGS = [
    conclude_probe(
        "future", [Suspect(f"x_{i}", "RankIC +0.9") for i in range(5)], "5 columns", "leave it out"
    ),
    conclude_probe("copied rows", [], "100 rows", "keep one"),
    cannot_tell("universe", "the panel has no universe column"),
]


def test_a_probe_with_suspects_is_a_leak_that_names_three_and_counts_the_others() -> None:
    assert [f.verdict for f in FINDINGS] == ["LEAK", "ok", "cannot tell"]
    assert FINDINGS[0].evidence == "x_0: RankIC +0.9; x_1: RankIC +0.9; x_2: RankIC +0.9; and 2 more"
    assert FINDINGS[0].remedy == "leave it out" and FINDINGS[1].remedy == ""
    assert leaks(FINDINGS) == FINDINGS[:1]
    assert summary_line(FINDINGS) == "1 of 3 probes found a leak; 1 cannot tell"
    assert summary_line(FINDINGS[1:2]) == "no leak in 1 probes"


def test_the_table_fits_its_width_and_has_each_verdict(tmp_path: Path) -> None:
    lines = finding_lines(FINDINGS, width=70)
    assert max(map(len, lines)) <= 70
    assert sum("LEAK" in line for line in lines) == 1 and any("→ leave it out" in line for line in lines)
    write_findings(tmp_path / "f.json", FINDINGS)
    whole = json.loads((tmp_path / "f.json").read_text())
    assert whole["leaks"] == 1 and [f["probe"] for f in whole["findings"]] == [
        "future",
        "copied rows",
        "universe",
    ]
