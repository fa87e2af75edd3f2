"""Turns are fair: a dead destination takes no other's place."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from port104.export.policy import ExportPolicy
from port104.export.queue import ExportQueue, Wanted

POLICY = ExportPolicy(associations=8, batch=10, first_pause=10)


def queue(**policy):
    return ExportQueue(
        ExportPolicy(**{"associations": 8, "batch": 10, "first_pause": 10} | policy), lambda: 0
    )


def names(turns):
    return [turn.destination for turn in turns]


def kinds(turns):
    return [(turn.destination, turn.kind) for turn in turns]


def proven(made, *destinations):
    """Let destinations show that they work."""
    for name in destinations:
        (turn,) = made.turns({name: Wanted(1, 1)}, 0)
        assert made.established(turn)
        made.judged(name, 0, strike=False, why="")
        made.ended(turn)


def test_what_has_not_shown_that_it_works_has_one_association():
    made = queue()
    many = {"A": Wanted(1000, 4)}
    (turn,) = made.turns(many, 0)
    assert made.established(turn)
    assert made.turns(many, 0) == []
    assert made.judged("A", 1, strike=False, why="")
    assert not made.judged("A", 1, strike=False, why="")
    assert names(made.turns(many, 1)) == ["A"] * 3


def test_no_more_associations_than_there_is_work_for():
    made = queue()
    proven(made, "A")
    assert len(made.turns({"A": Wanted(11, 4)}, 0)) == 2
    assert made.turns({"A": Wanted(0, 4)}, 0) == []


def test_destinations_share_what_there_is():
    made = queue(associations=5)
    proven(made, "A", "B")
    turns = made.turns({"A": Wanted(1000, 9), "B": Wanted(1000, 9)}, 0)
    assert sorted(Counter(names(turns)).values()) == [2, 3]
    assert made.is_crowded
    made.ended(turns[0])
    assert len(made.turns({"B": Wanted(1000, 9)}, 1)) == 1


def test_those_that_hang_take_no_others_place():
    made = queue(associations=2)
    dead = {f"D{number}": Wanted(50, 2) for number in range(9)}
    assert len(made.turns(dead, 0)) == 9
    assert made.associations == 0
    proven(made, "A")
    assert names(made.turns(dead | {"A": Wanted(50, 2)}, 0)) == ["A", "A"]


def test_sockets_for_those_have_a_limit():
    made = queue()
    assert len(made.turns({f"D{number}": Wanted(50, 2) for number in range(99)}, 0)) == 64


def test_one_that_answers_waits_for_room():
    made = queue(associations=1)
    proven(made, "A")
    (busy,) = made.turns({"A": Wanted(50, 2)}, 0)
    (late,) = made.turns({"B": Wanted(50, 2)}, 0)
    assert not made.established(late)
    made.ended(late)
    assert made.turns({"B": Wanted(50, 2)}, 0) == []
    assert made.is_crowded
    made.ended(busy)
    (turn,) = made.turns({"B": Wanted(50, 2)}, 0)
    assert made.established(turn)


def test_one_that_cannot_be_reached_is_left_alone_then_asked_then_tried():
    made, work = queue(), {"A": Wanted(50, 4)}
    (turn,) = made.turns(work, 0)
    made.unreachable("A", 0, "refused")
    made.ended(turn)
    assert made.turns(work, 9) == []
    assert (made.pause_of("A", 9).why, made.next_probe(9)) == ("refused", 10)
    (turn,) = made.turns(work, 10)
    assert kinds([turn]) == [("A", "probe")]
    assert made.turns(work, 10) == []
    made.probed("A")
    made.ended(turn)
    assert kinds(made.turns(work, 11)) == [("A", "send")]
    assert (made.pause_of("A", 11), made.next_probe(11)) == (None, math.inf)


def test_a_failure_of_one_is_no_others():
    made = queue()
    proven(made, "B")
    work = {"A": Wanted(50, 1), "B": Wanted(50, 1)}
    for turn in made.turns(work, 0):
        made.ended(turn)
    made.unreachable("A", 0, "refused")
    assert kinds(made.turns(work, 1)) == [("B", "send")]


def test_what_is_nobodys_fault_changes_nothing():
    made = queue()
    made.turns({"A": Wanted(50, 2)}, 0)
    assert not made.judged("A", 0, strike=None, why="the file is gone")
    assert made.pause_of("A", 0) is None
    assert made.turns({"A": Wanted(50, 2)}, 0) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCD"), st.sampled_from(["turn", "there", "end", "good", "bad", "gone"])),
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_limits_hold_whatever_happens(events, associations):
    made, open_now, now = queue(associations=associations), [], 0
    for name, event in events:
        now += 3
        if event == "turn":
            open_now += made.turns({each: Wanted(25, 2) for each in "ABCD"}, now)
        there = [turn for turn in open_now if turn.destination == name]
        if not there:
            continue
        if event == "there":
            made.established(there[0])
        elif event == "end":
            made.ended(there[0])
            open_now = [turn for turn in open_now if turn is not there[0]]
        elif event == "gone":
            made.unreachable(name, now, "refused")
        elif event != "turn":
            made.judged(name, now, strike=event == "bad", why="aborted")
        assert made.associations == sum(turn.counts for turn in open_now) <= associations
        assert max(Counter(names(open_now)).values(), default=0) <= 2
