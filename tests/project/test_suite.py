"""What holds for every file of the suite."""

import ast
from pathlib import Path

import hypothesis


def test_no_float_is_drawn_that_float32_arithmetic_flushes_to_zero():
    for path in Path(__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("floats"):
                assert any(word.arg == "allow_subnormal" for word in node.keywords), f"{path}, line {node.lineno}"


def test_property_tests_draw_the_same_every_time():
    assert hypothesis.settings().derandomize or hypothesis.settings().max_examples == 1000  # by hand: profile "more"
