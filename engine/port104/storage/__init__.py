"""Durable instances under one folder."""
