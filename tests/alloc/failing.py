"""The allocator of failing.c, told which allocation fails."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

BLOCK = struct.Struct("<qqq")  # failing.h


class Failing:
    """The block a berthd with the failing allocator obeys."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(BLOCK.pack(0, 0, 0))
        self.path = path
        self.file = path.open("r+b")
        self.block = mmap.mmap(self.file.fileno(), BLOCK.size)

    def arm(self, n: int) -> None:
        self.block[:] = BLOCK.pack(n, 0, 0)

    @property
    def failed(self) -> bool:
        return BLOCK.unpack(self.block[:])[1] > 0

    @property
    def made(self) -> int:
        return BLOCK.unpack(self.block[:])[2]
