"""SQL databases for one engine (SQLite) or several (PostgreSQL), whatever it is that they hold."""
