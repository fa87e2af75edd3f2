"""What is done with stored instances: they are written into the ledger, and their groups become jobs."""
