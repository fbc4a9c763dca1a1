"""The error that every command of `make` reports in words instead of a traceback."""


class ToolError(Exception):
    """A command cannot go on. The message says why, and what to do about it."""
