"""One line a check: "ok SENTENCE" or "not ok SENTENCE", and the count at the end."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

passed = 0
failed = 0
pause = 0.02  # seconds between two looks at a condition


def check(condition: Any, sentence: str, detail: object = "") -> bool:
    """Counts and prints one check; detail is shown when it fails."""
    global passed, failed
    if condition:
        passed += 1
        print(f"ok {sentence}", flush=True)
    else:
        failed += 1
        print(f"not ok {sentence}", flush=True)
        for line in str(detail).splitlines()[:12]:
            print(f"    {line[:300]}", flush=True)
    return bool(condition)


def equal(actual: Any, expected: Any, sentence: str) -> bool:
    return check(actual == expected, sentence, f"expected {expected!r}\ngot      {actual!r}")


def empty(violations: list, sentence: str) -> bool:
    """A check that nothing violates: the first violations are its detail."""
    return check(not violations, sentence, "\n".join(str(row) for row in violations))


def run(name: str, test: Callable[[], None]) -> None:
    """Runs a group of checks; leaving it by an exception is one more failed check."""
    print(f"# {name}", flush=True)
    try:
        test()
    except Exception as error:  # pylint: disable=broad-except
        where = traceback.extract_tb(error.__traceback__)[-1]
        check(False, f"{name} runs to its end", f"{error}\n{where.filename}:{where.lineno}")
        traceback.print_exc(limit=4, file=sys.stdout)


def await_true(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Waits for a condition; its last value when that became true in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(pause)
