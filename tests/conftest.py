"""Settings of all tests."""

from hypothesis import settings

# The same examples in every run, and no deadline on a machine that others share: a failure is the code's.
settings.register_profile("port104", derandomize=True, deadline=None)
settings.load_profile("port104")
