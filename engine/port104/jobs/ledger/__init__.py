"""What came, what it belongs to, and what came of it; in SQLite or PostgreSQL."""
