"""An object store (S3 and what is compatible with it) that holds instances besides the storage folder."""
