"""Admission costs the same however many sources and AE titles there are."""

import sys

import pytest

from port104.registry.entries import LocalAE, Source
from port104.registry.registry import Registry

COVID = LocalAE(ae_title="COVIDAET")


def steps(work):
    """How many bytecode instructions it takes: what Python does, and not how long."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def many(count, *, title="AE{}"):
    return Registry(
        local_aes=[COVID, *(LocalAE(ae_title=f"L{number}") for number in range(count))],
        sources=[
            Source(
                ae_title=title.format(number), name=f"{number}", hosts=(f"10.{number >> 8}.{number & 255}.1",)
            )
            for number in range(count)
        ],
    )


CALLS = {
    "a known source": ("COVIDAET", "AE7", "10.0.7.1"),
    "another address": ("COVIDAET", "AE7", "10.0.7.2"),
    "an unknown title": ("COVIDAET", "STRANGER", "10.0.7.1"),
    "a slip": ("COVIDAET", "ae7", "10.0.7.1"),
    "an unknown called title": ("NOSUCH", "AE7", "10.0.7.1"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_admission_takes_as_many_steps_with_ten_thousand_entries_as_with_a_few(call):
    few, all_of_them = many(20), many(10_000)
    assert steps(lambda: all_of_them.admit(*call)) <= steps(lambda: few.admit(*call)) + 10


def test_nor_does_it_matter_whether_they_share_an_ae_title():
    few, all_of_them = many(20, title="STORESCU"), many(10_000, title="STORESCU")
    for address in ("10.0.7.1", "10.0.7.2"):
        call = ("COVIDAET", "STORESCU", address)
        assert (
            steps(lambda call=call: all_of_them.admit(*call))
            <= steps(lambda call=call: few.admit(*call)) + 10
        )
