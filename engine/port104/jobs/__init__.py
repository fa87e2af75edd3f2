"""From instances to jobs: grouping, the ledger of what came and what came of it."""
