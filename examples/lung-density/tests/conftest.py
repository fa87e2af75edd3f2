"""A chest of known figures, as a folder of files."""

import pytest

import phantom


@pytest.fixture(scope="session")
def chest(tmp_path_factory):
    """Pixels of 1.4 mm: real ones are half as wide, and take four times as long."""
    folder = tmp_path_factory.mktemp("chest")
    phantom.write(phantom.make(matrix=256), folder)
    return folder
