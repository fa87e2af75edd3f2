"""Delivery of results to destinations: what is sent when, and what becomes of it."""
