"""The REST API: who may ask what, what is answered, and how it gets there."""
