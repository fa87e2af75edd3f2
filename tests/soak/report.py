"""A soak's figures as Markdown."""

from soak.campaign import SECURE
from soak.flatness import medians
from soak.peers import MIX


def written(outcome):
    """The report."""
    accounts, lives = outcome.accounts, outcome.lives
    visits = outcome.visits.total() - outcome.visits[SECURE]
    second, last = medians(outcome.uses)
    before, after = outcome.idle
    lines = [
        "# Soak",
        "",
        f"{outcome.seconds / 60:.1f} minutes, seed {outcome.seed}: "
        + (f"**{len(outcome.faults)} faults**" if outcome.faults else "no fault."),
        "",
        "| what | figure |",
        "|---|---|",
        f"| successes that peers read | {accounts.acknowledged.total():,} ({accounts.bytes / 1e9:.2f} GB) |",
        f"| different data sets among them, each found on disk byte for byte | {accounts.verified:,} |",
        f"| visits over TLS, of all | {outcome.visits[SECURE]:,} of {visits:,} |",
        f"| audit messages, each read back | {outcome.messages:,} |",
        f"| engine starts | {lives.started} |",
        f"| ended by SIGTERM, by SIGKILL | {lives.terminated}, {lives.killed} |",
        "",
        "| peers | at a time | visits, also while no engine ran | successes |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {kind.__name__} | {number} | {outcome.visits[kind.__name__]:,}"
        f" | {accounts.acknowledged[kind.__name__]:,} |"
        for kind, number in MIX.items()
    ]
    lines += [
        "",
        f"One life of {_length(outcome.uses):.0f} seconds, {len(outcome.uses)} samples:",
        "",
        "| | before any peer | median of the second quarter | of the last quarter | after all peers |",
        "|---|---|---|---|---|",
        "| resident memory, MB | " + _row("memory", before, second, last, after, scale=1e-6, digits=1),
        "| file descriptors | " + _row("descriptors", before, second, last, after),
        "| threads | " + _row("threads", before, second, last, after),
        "| trio tasks | " + _row("tasks", before, second, last, after),
        "",
    ]
    if outcome.faults:
        lines += ["## Faults", "", *(f"- {fault}" for fault in outcome.faults[:100]), ""]
    return "\n".join(lines)


def _row(name, *uses, scale=1.0, digits=0):
    return " | ".join(f"{getattr(use, name) * scale:.{digits}f}" for use in uses) + " |"


def _length(uses):
    return uses[-1].seconds - uses[0].seconds
