"""What can be asked of the API, a room for each kind of resource: methods of paths, and what they mean."""
