"""Pipelines as Jobs of the Kubernetes cluster whose pod port104 is."""
