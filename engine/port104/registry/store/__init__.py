"""Where the registry is kept: an SQLite file, or PostgreSQL."""
