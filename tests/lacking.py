"""What a test needs of the machine, and the machine lacks."""

import os

import pytest


def lacking(what):
    """Skip the test, for a person; in CI (environment variable CI), where nobody would see that, fail."""
    end = pytest.fail if os.environ.get("CI") else pytest.skip
    end(what)
