"""Receiving for programs: the acceptor and the store, without the service."""
