"""The status changes of ../model/transitions.def as the table chaos.transitions, for the invariants."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "model/transitions.def"


def statements() -> str:
    rows = re.findall(r"^TRANSITION\((\w+), (\w+), (\w+)\)$", FILE.read_text("utf-8"), re.MULTILINE)
    if not rows:
        raise ValueError(f"{FILE} has no transitions")
    values = ", ".join(f"('{old}', '{new}', '{who}')" for old, new, who in rows)
    return ("CREATE TABLE chaos.transitions (old text, new text, who text, PRIMARY KEY (old, new, who));"
            f"INSERT INTO chaos.transitions VALUES {values}")
