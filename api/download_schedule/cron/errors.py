"""The one error that this package raises."""


class CronError(ValueError):
    """A cron expression or time zone that cannot be used.

    Its text is one sentence: which field, which value, what is allowed and what to write instead.
    """
