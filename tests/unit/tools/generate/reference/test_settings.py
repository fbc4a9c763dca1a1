"""The page about settings."""

import re
from functools import reduce

import yaml

from tools.generate.manifests import CHART
from tools.generate.reference import pages
from tools.generate.reference.constants import Constant
from tools.generate.reference.settings import CHART_VALUES, render

HELP = """usage: x

  DOWNLOAD_API_PORT       port to listen on, 1 to 65535 [8080]
  DOWNLOAD_API_RATE_LIMIT requests a minute [600]
  DOWNLOAD_API_KEY_FILE   file with the key []
"""


def test_setting_has_meaning_default_and_chart_value() -> None:
    text = render(HELP, "", [Constant("PROXY_VARIABLE", "DOWNLOAD_WORKER_PROXY", "A proxy.")])

    assert "| `DOWNLOAD_API_PORT` | Port to listen on, 1 to 65535. | `8080` |  |" in text
    assert "| `DOWNLOAD_API_RATE_LIMIT` | Requests a minute. | `600` | `api.rateLimit` |" in text
    assert "| `DOWNLOAD_API_KEY_FILE` | File with the key. |  | `api.existingSecret` |" in text
    assert "| `DOWNLOAD_WORKER_PROXY` | A proxy. |" in text


def test_default_that_depends_on_the_machine_is_described() -> None:
    text = render("  DOWNLOAD_OPERATOR_IDENTITY   name of this replica [vm-4711]\n", "", [])

    assert "| host name and process id |" in text
    assert "4711" not in text


def test_page_has_every_setting() -> None:
    text = pages.page("settings")
    for process in ("operator", "api"):
        variables = set(re.findall(r"DOWNLOAD_[A-Z_]+", pages.printed_help(process)))
        assert variables
        for variable in variables:
            assert f"| `{variable}` |" in text


def test_chart_values_are_values_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    templates = "".join(path.read_text() for path in (CHART / "templates").glob("*.yaml"))
    for variable, value in CHART_VALUES.items():
        assert reduce(dict.__getitem__, value.split("."), values) is not Ellipsis
        assert variable in templates
