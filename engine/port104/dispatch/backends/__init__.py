"""What runs a pipeline: a local command, a webhook, a folder of other software."""
