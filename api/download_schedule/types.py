"""Types that every package shares."""

from typing import Any

JSONObject = dict[str, Any]
"""A JSON object as a parser returns it. A function that only reads takes ``Mapping[str, Any]``."""
