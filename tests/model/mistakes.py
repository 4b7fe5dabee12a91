"""Small mistakes for our own code: one comparison, constant, condition or call at a time.

A mistake in a function is other code under the same name; one in a statement is its text without
one of its conditions, wherever a module has it.
"""

import ast
import copy
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from django.db import connection

Function = ast.FunctionDef | ast.AsyncFunctionDef
OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
# What is written to a log decides nothing, and a failpoint is no step of the protocol.
SPOKEN = ("logger.", "failpoints.")


@dataclass
class Mistake:
    """One change. `reached_by`: the functions that must run for it to show."""

    where: str
    what: str
    holders: list[Any]
    name: str
    value: Any
    reached_by: set[tuple[str, int]] = field(default_factory=set)

    def make(self) -> None:
        """For as long as this process lives."""
        for holder in self.holders:
            setattr(holder, self.name, self.value)
        forget()

    @property
    def lot(self) -> str:
        """Its place in the draw: the same whatever else is changed."""
        return sha256(f"{self.where.rpartition(':')[0]} {self.what}".encode()).hexdigest()


def mistakes_in(name: str) -> Iterator[Mistake]:
    """All of `processors.<name>`, on the database that is in use."""
    module = importlib.import_module(f"processors.{name}")
    tree = ast.parse(Path(str(module.__file__)).read_text())
    for node, holder in functions(tree, module):
        if (function := function_of(holder, node.name)) is not None:
            yield from in_function(name, module, node, function)
    others = "POSTGRES" if connection.vendor == "sqlite" else "SQLITE"
    for constant, text in list(vars(module).items()):
        if isinstance(text, str) and "WHERE" in text and others not in constant:
            yield from in_statement(module, constant, text)


# Python


def functions(tree: ast.Module, module: ModuleType) -> Iterator[tuple[Function, Any]]:
    """Every function, and every method, with what holds it."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node, module
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Function):
                    yield inner, getattr(module, node.name)


def function_of(holder: Any, name: str) -> FunctionType | None:
    """The function itself, under whatever decorates it."""
    found = inspect.getattr_static(holder, name, None)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, cached_property):
        found = found.func
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    found = inspect.unwrap(found) if callable(found) else None
    return found if isinstance(found, FunctionType) else None


def in_function(
    name: str, module: ModuleType, node: Function, function: FunctionType
) -> Iterator[Mistake]:
    """Those in its body."""
    for index, found in enumerate(body_of(node)):
        changed = copy.deepcopy(node)
        what = change(body_of(changed)[index])
        if what and (code := compiled(module, changed, function)):
            line = getattr(found, "lineno", node.lineno)
            where = f"{name}.{function.__qualname__}:{line}"
            reached_by = {place_of(function.__code__)}
            yield Mistake(where, what, [function], "__code__", code, reached_by)


def body_of(node: Function) -> list[ast.AST]:
    """All nodes but the head: defaults and annotations are not in a function's code."""
    return [inner for statement in node.body for inner in ast.walk(statement)]


def change(node: ast.AST) -> str:
    """Change a node in place; what was changed, empty where there is nothing to change."""
    before = ast.unparse(node) if isinstance(node, ast.expr | ast.Expr) else ""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        node.value = ast.Constant(None)
        return "" if before.startswith(SPOKEN) else f"without {before[:70]}"
    if isinstance(node, ast.If | ast.IfExp) and isinstance(node.test, ast.Name | ast.Call):
        before = ast.unparse(node.test)
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return f"if {before} → if not {before}"
    return f"{before} → {ast.unparse(node)}" if is_turned(node) else ""


def is_turned(node: ast.AST) -> bool:
    """Turn an expression into its like."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE:
        node.ops[0] = OPPOSITE[type(node.ops[0])]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        node.value = (not node.value) if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    else:
        return False
    return True


def compiled(module: ModuleType, node: Function, function: FunctionType) -> CodeType | None:
    """The function's code; None where it needs more around it than its module."""
    node.decorator_list = []
    tree = ast.fix_missing_locations(ast.Module([node], []))
    room: dict[str, Any] = dict(vars(module))
    exec(compile(tree, str(module.__file__), "exec"), room)
    code: CodeType = room[node.name].__code__
    return code if code.co_freevars == function.__code__.co_freevars else None


def place_of(code: CodeType) -> tuple[str, int]:
    """Names a function whatever its code is."""
    return code.co_filename, code.co_firstlineno


# SQL


def in_statement(module: ModuleType, name: str, text: str) -> Iterator[Mistake]:
    """Each condition left out, its parameters still taken."""
    holders = [held for held in our_modules() if vars(held).get(name) is text]
    reached_by = {place_of(code) for held in holders for code in users_of(held, name)}
    where = f"{module.__name__.removeprefix('processors.')}.{name}:"
    for found in re.finditer(r"(WHERE|AND) ([^\n]*?)(?=\n| AND |$)", text):
        word, condition = found.groups()
        marks = condition.count("%s")
        harmless = " AND ".join(["%s IS NOT NULL"] * marks) or "1 = 1"
        changed = text[: found.start()] + f"{word} {harmless}" + text[found.end() :]
        yield Mistake(where, f"without {condition}", list(holders), name, changed, reached_by)


def our_modules() -> list[ModuleType]:
    """Those that are loaded."""
    return [held for name, held in sys.modules.items() if name.startswith("processors.")]


def forget() -> None:
    """What was worked out once, and kept: statements that were put together."""
    for module in our_modules():
        for held in list(vars(module).values()):
            if hasattr(type(held), "cache_clear"):
                held.cache_clear()


def users_of(module: ModuleType, name: str) -> Iterator[CodeType]:
    """The functions of a module that read one of its names."""
    for held in vars(module).values():
        inside = vars(held) if isinstance(held, type) and held.__module__ == module.__name__ else {}
        for each, _ in [(held, ""), *((inner, "") for inner in inside.values())]:
            code = getattr(inspect.unwrap(each) if callable(each) else each, "__code__", None)
            if isinstance(code, CodeType) and name in code.co_names:
                yield code
