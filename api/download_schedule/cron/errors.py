"""The one error of this package."""


class CronError(ValueError):
    """A schedule or time zone that cannot be used.

    Its text is one sentence: which field, which value, what is allowed, what to write instead.
    """
