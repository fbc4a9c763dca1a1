"""How croniter reads expressions that are awkward on purpose: ``python -m`` this module."""

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version

from download_schedule.cron.croniter_comparison import croniter_warning
from tests.support.cron_cases import CRONITER, FOREIGN

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def summarize() -> str:
    """Return one sentence with the figures."""
    expressions = (*FOREIGN, *CRONITER)
    warnings = [croniter_warning(text, "Etc/UTC", NEW_YEAR) for text in expressions]
    verbs = Counter(warning.split()[1] for warning in warnings if warning)
    return (
        f"Of {len(expressions)} awkward expressions, croniter {version('croniter')} reads "
        f"{verbs.total()} differently: it accepts {verbs['accepts']} that are refused here, "
        f"refuses {verbs['refuses']} that are accepted here, and fires {verbs['reads']} at other "
        "times."
    )


if __name__ == "__main__":
    print(summarize())
