"""The trio shells round wire/: who listens, receives and answers."""
