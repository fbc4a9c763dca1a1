"""The HTTP front-end."""
