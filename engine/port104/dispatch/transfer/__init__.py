"""A run's payload and output by way of the object store alone, for programs that share no volume with us."""
