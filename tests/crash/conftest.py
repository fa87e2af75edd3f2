"""Storage folders that are worked on at once."""

import shutil

import pytest

from killing import WORKERS


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / f"storage{worker}" for worker in range(WORKERS)]
    for folder in made:
        folder.mkdir()
    yield made
    for folder in made:
        shutil.rmtree(folder)  # gigabytes, of which pytest would keep those of three runs
