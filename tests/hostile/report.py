"""What the survey found, as pages."""

import json
from typing import NamedTuple

from hostile.cases import CASES
from hostile.reference import CLASSES

WIDTH = 60  # characters of an answer that are shown

INTRODUCTION = """# Robustness

{count} cases of broken, hostile and merely unusual input, as requestors send it or strangers do, were
played over real sockets against port104 and three others, here without TLS. This page, but for what it says
of soaks, and [the whole table](robustness-cases.md) are written by `make hostile-survey`; the cases are data,
in `tests/hostile/cases`. For port104 they are tests too: each is played whole, in pieces of five bytes and
over TLS, and held to its one pinned answer.

A case is held where the answer is one that the standard allows (where it leaves the choice open, every
choice counts, for everyone), a C-ECHO on a new association is answered within a second, files stored before
are untouched, no file is left of an instance that did not come whole, nothing is written elsewhere, and
memory did not grow by 64 MiB. Cases end by deadlines where they have to: an answer that takes 3 s longer
than the script, or 8 s where a deadline ends it, is none. Timers and limits of the others were set as short
and as strict as their settings allow; what one has no setting for is its fault here. They were made for
other ends than this table: read it as a list of what to guard against, not as a rank.
"""

SOAKS = "## Soak\n"

TABLE_INTRODUCTION = """# Robustness: every case

Answers: `AB s/r` A-ABORT with source and reason (as right answers: `AB n` source 2 and that reason, `AB0`
source 0 or 2 and any), `RJ` A-ASSOCIATE-RJ with result, source and reason, `CL` connection closed, `OK` it
goes on, `CR` the presentation context is refused, four hexadecimal digits a status (a second four: the bits
of it that count), `RP` A-RELEASE-RP, `-` none in time. What is not held is **bold**. The first right answer
is the one that port104 is held to. See [robustness](robustness.md) for how it was judged.
"""


class Answer(NamedTuple):
    """What came of one case: the answer, and why it is not held."""

    told: str
    faults: tuple[str, ...]
    stopped: bool


class Answers(NamedTuple):
    """What came of every case with one acceptor."""

    name: str
    version: str
    settings: str
    cases: dict[str, Answer]

    @classmethod
    def load(cls, path):
        name, version, settings, cases = json.loads(path.read_text())
        return cls(name, version, settings, {title: Answer(*one) for title, one in cases.items()})

    def held(self, cases):
        return sum(not self.cases[case.title].faults for case in cases)

    def with_fault(self, fault):
        return sum(fault in one.faults for one in self.cases.values())


def write(folder, surveyed):
    """Write the summary and the whole table into `folder`; what the summary's page says of soaks stays."""
    played = [case for case in CASES if all(case.title in one.cases for one in surveyed)]
    page = folder / "robustness.md"
    _, marker, soaks = page.read_text().partition(SOAKS)
    page.write_text(f"{summary(played, surveyed)}\n{marker}{soaks}")
    (folder / "robustness-cases.md").write_text(table(played, surveyed))


def summary(cases, surveyed):
    """What the cases are, how they were judged, and what came of them, by class."""
    lines = [
        INTRODUCTION.format(count=len(cases)),
        *_rows(
            ["", "version", "settings beside its defaults"],
            [[one.name, one.version, one.settings] for one in surveyed],
        ),
        "",
        "## Totals",
        "",
        *_rows(
            ["", *(one.name for one in surveyed)],
            [
                [f"held, of {len(cases)}", *(one.held(cases) for one in surveyed)],
                *([said, *(one.with_fault(fault) for one in surveyed)] for fault, said in FAULTS.items()),
            ],
        ),
        "",
        "## By class",
        "",
        "Held, of how many cases.",
        "",
        *_rows(
            ["", "class", *(one.name for one in surveyed)],
            [_class_row(number, cases, surveyed) for number in CLASSES],
        ),
        "",
    ]
    return "\n".join(lines)


def _class_row(number, cases, surveyed):
    own = [case for case in cases if case.number == number]
    if not own:
        return [number, CLASSES[number], *["" for _ in surveyed]]
    return [number, CLASSES[number], *(f"{one.held(own)} of {len(own)}" for one in surveyed)]


def table(cases, surveyed):
    """Every case: the answers that are right, and what each did."""
    rows = [
        [case.title, ", ".join(case.accepted), *(_told(one.cases[case.title]) for one in surveyed)]
        for case in cases
    ]
    head = ["case", "right answers", *(one.name for one in surveyed)]
    return "\n".join([TABLE_INTRODUCTION, *_rows(head, rows), ""])


def _told(answer):
    told = answer.told if len(answer.told) <= WIDTH else answer.told[:WIDTH] + "..."
    others = [fault for fault in answer.faults if fault != "answer"]
    return " ".join(
        [f"**{told}**" if answer.faults else told, *([f"({', '.join(others)})"] if others else [])]
    )


def _rows(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


FAULTS = {
    "answer": "wrong answer, or none",
    "C-ECHO not answered within a second": "a C-ECHO afterwards took longer than a second",
    "stopped": "stopped answering, and was started again",
    "changed a stored file": "changed a file stored before",
    "left a file": "left a file of an instance that did not come whole",
    "wrote outside its folder": "wrote outside its folder",
    "memory grew": "memory grew by 64 MiB",
}
