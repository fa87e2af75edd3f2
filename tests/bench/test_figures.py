"""Ratios are taken within a round, then their median."""

from figures import Key, Measurement, Table, distinct

OURS = Key("grid", "RAM disk", "8 KiB x 1", "ours")
THEIRS = OURS._replace(receiver="theirs")


def table(ours, theirs, figure="speed"):
    return Table(
        [Measurement(*OURS, number, {figure: value}) for number, value in ours.items()]
        + [Measurement(*THEIRS, number, {figure: value}) for number, value in theirs.items()]
    )


def test_a_ratio_is_the_median_of_ratios_not_the_ratio_of_medians():
    measured = table({0: 10, 1: 100, 2: 30}, {0: 1, 1: 50, 2: 60})
    assert measured.ratio(OURS, THEIRS, "speed") == 2.0  # of 10, 2 and 0.5; the medians are 30 and 50


def test_only_rounds_that_have_both_count():
    measured = table({0: 10, 1: 90}, {1: 30, 2: 1})
    assert measured.ratio(OURS, THEIRS, "speed") == 3.0


def test_what_was_not_measured_has_no_figures():
    measured = table({0: 10}, {})
    assert measured.ratio(OURS, THEIRS, "speed") is None
    assert measured.ratio(OURS, OURS, "latency") is None
    assert measured.median(THEIRS, "speed") is None
    assert measured.spread(THEIRS, "speed") is None


def test_a_zero_is_not_divided_by():
    assert table({0: 10}, {0: 0}).ratio(OURS, THEIRS, "speed") is None


def test_median_and_spread_are_over_the_rounds():
    measured = table({0: 3, 1: 1, 2: 8, 3: 4}, {})
    assert measured.median(OURS, "speed") == 3.5
    assert measured.spread(OURS, "speed") == (1, 8)


def test_keys_keep_their_order_and_runs_apart():
    other = Measurement("idle", "RAM disk", "8 KiB x 8", "alone", 0, {"speed": 1})
    measured = Table([Measurement(*THEIRS, 0, {}), other, Measurement(*OURS, 0, {})])
    assert measured.keys("grid") == [THEIRS, OURS]
    assert distinct("abcab") == ["a", "b", "c"]
