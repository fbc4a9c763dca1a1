"""Constants of the code with their docstrings, read from the source. Pure.

Python drops a string that follows an assignment, so only the source has it. To read it there costs
the processes nothing at run time.
"""

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Constant(NamedTuple):
    """A constant whose value is a string literal."""

    name: str
    value: str
    docstring: str
    """On one line; empty if it has none."""


def constants(source: str) -> Iterator[Constant]:
    """Yield the constants of a module and of its classes, in their order."""
    module = ast.parse(source)
    yield from _constants(module.body)
    for statement in module.body:
        if isinstance(statement, ast.ClassDef):
            yield from _constants(statement.body)


def _constants(body: list[ast.stmt]) -> Iterator[Constant]:
    for statement, following in pairwise([*body, ast.Pass()]):
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str(value))):
                yield Constant(name, value, _docstring(following))
            case ast.AnnAssign(target=ast.Name(name), value=ast.Constant(str(value))):
                yield Constant(name, value, _docstring(following))


def _docstring(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(ast.Constant(str(text))):
            return " ".join(text.replace("``", "`").split())
    return ""
