"""Entries that stand in Kubernetes: custom resources -> registry, and back what became of each."""
