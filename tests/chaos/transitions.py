"""The audit of a cluster that is hurt (audit.sql), with the status changes of ../model/transitions.def as its
table chaos.transitions."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = HERE.parent / "model/transitions.def"


def statements() -> str:
    rows = re.findall(r"^TRANSITION\((\w+), (\w+), (\w+)\)$", FILE.read_text("utf-8"), re.MULTILINE)
    if not rows:
        raise ValueError(f"{FILE} has no transitions")
    values = ", ".join(f"('{old}', '{new}', '{who}')" for old, new, who in rows)
    return (f"{(HERE / 'audit.sql').read_text('utf-8')};"
            "CREATE TABLE chaos.transitions (old text, new text, who text, PRIMARY KEY (old, new, who));"
            f"INSERT INTO chaos.transitions VALUES {values}")
