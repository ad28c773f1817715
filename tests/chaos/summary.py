"""What a campaign did, and what came of it."""

from __future__ import annotations

from typing import Any

import catalog


def write(c: Any, names: list[str], minutes: float) -> None:
    """A table: faults by kind. Done: it struck; hits: what it hit; missed: what it is for did not come."""
    print(f"\n{'kind':10} {'fault':22} {'done':>6} {'hits':>8} {'missed':>7}")
    for kind in catalog.KINDS:
        mine = [n for n in catalog.ALL if catalog.ALL[n].kind == kind and (n in names or n in c.counts)]
        for name in mine:
            print(f"{kind:10} {name:22} {c.counts.get(name, 0):6} {c.strikes.get(name, 0):8} {c.misses.get(name, 0):7}")
        if mine:
            print(f"{kind:10} {'':22} {sum(c.counts.get(n, 0) for n in mine):6}")
    for name in (n for n in c.misses if n not in c.counts):
        print(f"never done: {name}: {c.why_missed.get(name, 'what it is for did not come')[:150]!r}")
    work = c.workload.counts
    done = ", ".join(f"{n} {what}" for what, n in work.items())
    print(f"work: {done} ({c.n_bursts} bursts in {minutes:.1f} minutes)")
    watched = sum(w.connections for w in c.watchers.all)
    print(f"watched: {c.n_events} events, by {len(c.watchers.all)} watchers over {watched} connections")
    print(f"figures: {', '.join(f'{n:.0f} {what}' for what, n in sorted(c.figures.items()))}")


def last_line(c: Any, minutes: float) -> str:
    work = c.workload.counts
    return (f"chaos: {minutes:.0f} minutes, {sum(c.counts.values())} faults of {len(c.counts)} kinds, "
            f"{c.counts.get('kill', 0) + c.counts.get('kill_at_point', 0)} kills, "
            f"{c.counts.get('pause_lease_holder', 0)} lease holders paused, "
            f"{work['enqueued']} sessions, {work['rounds']} rounds, {c.n_events} events, "
            f"{work['cancels']} cancels, {len(c.violations)} violations")
