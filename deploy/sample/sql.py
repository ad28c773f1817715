"""Values and rows as PostgreSQL's COPY text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TextIO

Row = dict[str, object]


class Array(list):
    """A list that becomes an SQL array; any other list becomes JSON."""


def amount_text(value: Decimal, places: int) -> str:
    """Plain decimal text without trailing zeros: "0.5", "17179869184"."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def field_text(value: object) -> str:
    """One field of COPY's text format."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        text = "\\x" + value.hex()
    elif isinstance(value, Array):
        text = "{" + ",".join(json.dumps(str(item)) for item in value) + "}"
    elif isinstance(value, (dict, list)):
        text = json.dumps(value)
    else:
        text = str(value)
    return text.translate({0x5C: r"\\", 0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"})


def copy(out: TextIO, table: str, rows: Iterable[Row]) -> None:
    """Writes one COPY block; nothing when there are no rows."""
    columns: list[str] | None = None
    for row in rows:
        if columns is None:
            columns = list(row)
            names = ", ".join(f'"{name}"' for name in columns)
            out.write(f"COPY {table} ({names}) FROM stdin;\n")
        out.write("\t".join(field_text(row[name]) for name in columns) + "\n")
    if columns is not None:
        out.write("\\.\n")
