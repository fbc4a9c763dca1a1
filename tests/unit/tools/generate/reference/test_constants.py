"""Constants are read with their docstrings, which Python itself drops."""

from tools.generate.reference.constants import Constant, constants

SOURCE = '''
"""A module."""
PLAIN = "plain"
"""What it is."""
ANNOTATED: Final = "annotated"
"""Over two
lines, with ``code``."""
BARE: Final = "bare"
NUMBER: Final = 3
"""Not text."""


class Kind:
    """A class."""

    FIRST = "First"
    """The first."""


def function() -> None:
    LOCAL = "local"
    """Inside."""
'''


def test_constants_of_module_and_classes_have_their_docstrings() -> None:
    assert list(constants(SOURCE)) == [
        Constant("PLAIN", "plain", "What it is."),
        Constant("ANNOTATED", "annotated", "Over two lines, with `code`."),
        Constant("BARE", "bare", ""),
        Constant("FIRST", "First", "The first."),
    ]


def test_last_statement_has_no_docstring() -> None:
    assert list(constants('LAST = "last"')) == [Constant("LAST", "last", "")]
