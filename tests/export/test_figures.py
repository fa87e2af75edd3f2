"""What came of delivery is counted, by destination."""

import pytest

from port104.export.figures import DestinationFigures, Figures
from port104.jobs.ledger.exports import Delivery, Outcome


def outcome(destination, state):
    delivery = Delivery("r", "f", destination, "n1", "/", "1.2", "1.2.3", 0, 0.0)
    return Outcome(delivery=delivery, state=state)


@pytest.fixture
def figures():
    counted = Figures()
    for state, now in (("delivered", 10.0), ("waiting", 11.0), ("committing", 12.0), ("failed", 13.0)):
        counted.count(outcome("PACS", state), now)
    return counted


def test_what_ended_is_counted(figures):
    assert figures.read({"RIS"}, 20.0, lambda name: "open" if name == "RIS" else "closed") == [
        DestinationFigures("PACS", 2, 1, "closed", 8.0),
        DestinationFigures("RIS", 0, 0, "open", None),
    ]
