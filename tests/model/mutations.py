"""Small mistakes made one by one in the protocol's modules: which of them do the stories not see?

`python -m tests.model.mutations [MODULE…]` changes one comparison, constant, condition or call,
or leaves out one condition of an SQL statement, tells stories until one ends badly, and lists the
mistakes that lived. What lives is either no mistake, or one that only two connections, another
table or another database show: the tests beside the stories are for those.
"""

import ast
import copy
import importlib
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from django.db import connection

from tests.model.history import STEPS, database, take_step

MODULES = ("leases", "gate", "reaping")
STORIES = 16

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


@dataclass
class Mistake:
    """One change: a function's new code, or a constant's new text."""

    where: str
    what: str
    holder: Any
    name: str
    value: Any

    def swap(self) -> None:
        """Make it, or take it back."""
        old = getattr(self.holder, self.name)
        setattr(self.holder, self.name, self.value)
        self.value = old


# Python


def mistakes_in(module: ModuleType) -> Iterator[Mistake]:
    """All of a module."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            function = getattr(module, node.name)
            yield from in_function(module, node, function)
    for name, text in list(vars(module).items()):
        others = "POSTGRES" if connection.vendor == "sqlite" else "SQLITE"
        if isinstance(text, str) and "WHERE" in text and others not in name:
            yield from in_statement(module, name, text)


def in_function(
    module: ModuleType, node: ast.FunctionDef, function: FunctionType
) -> Iterator[Mistake]:
    where = f"{module.__name__}.{node.name}"
    for index, _ in enumerate(ast.walk(node)):
        changed = copy.deepcopy(node)
        what = change(list(ast.walk(changed))[index])
        if what and (code := compiled(module, changed)):
            line = getattr(list(ast.walk(node))[index], "lineno", node.lineno)
            yield Mistake(f"{where}:{line}", what, function, "__code__", code)


def change(node: ast.AST) -> str:
    """Change a node in place; what was changed, empty where there is nothing to change."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE:
        before = ast.unparse(node)
        node.ops[0] = OPPOSITE[type(node.ops[0])]()
        return f"{before} → {ast.unparse(node)}"
    if isinstance(node, ast.BoolOp):
        before = ast.unparse(node)
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return f"{before} → {ast.unparse(node)}"
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        number = node.value
        node.value = (not number) if isinstance(number, bool) else number + 1
        return f"{number} → {node.value!r}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        before = ast.unparse(node)
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
        return f"{before} → {ast.unparse(node)}"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        before = ast.unparse(node)
        node.value = ast.Constant(None)
        return f"without {before[:70]}"
    return ""


def compiled(module: ModuleType, node: ast.FunctionDef) -> Any:
    """The function's code; None where it needs more around it than its module."""
    node.decorator_list = []
    tree = ast.fix_missing_locations(ast.Module([node], []))
    room: dict[str, Any] = dict(vars(module))
    exec(compile(tree, str(module.__file__), "exec"), room)
    code = room[node.name].__code__
    return None if code.co_freevars else code


# SQL


def in_statement(module: ModuleType, name: str, text: str) -> Iterator[Mistake]:
    """Each condition left out, its parameters still taken."""
    for found in re.finditer(r"(WHERE|AND) ([^\n]*?)(?=\n| AND |$)", text):
        word, condition = found.groups()
        marks = condition.count("%s")
        harmless = " AND ".join(["%s IS NOT NULL"] * marks) or "1 = 1"
        changed = text[: found.start()] + f"{word} {harmless}" + text[found.end() :]
        yield Mistake(f"{module.__name__}.{name}", f"without {condition}", module, name, changed)


# The verdict


def is_seen(clock: Any) -> bool:
    """Whether any of the stories ends badly."""
    from tests.model.machine import EVERY_SHAPE
    from tests.model.world import World

    for seed in range(STORIES):
        chance = random.Random(seed)
        try:
            world = World(clock, EVERY_SHAPE[seed % len(EVERY_SHAPE)])
            world.add(5)
            world.operate("start")
            for _ in range(STEPS):
                take_step(world, chance)
                world.agree()
            world.drain()
        except Exception:  # noqa: BLE001 - however it ends badly
            return True
    return False


def main(names: list[str]) -> None:
    """Print the mistakes that lived, and the score."""
    with database() as clock:
        assert not is_seen(clock), "the stories end badly without any mistake"
        lived, made = [], 0
        for name in names:
            module = importlib.import_module(f"processors.protocol.{name}")
            for mistake in mistakes_in(module):
                mistake.swap()
                made += 1
                if not is_seen(clock):
                    lived.append(mistake)
                    print(f"lived: {mistake.where}: {mistake.what}", flush=True)
                mistake.swap()
    print(f"{made - len(lived)} of {made} mistakes were seen")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MODULES))
