"""The house rules of tfconv's files, read from their text: nothing of tfconv is imported here."""

import ast
import re
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
PACKAGE = ROOT / "tfconv"
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}

MOST_ENTRIES = 15  # of a folder
MOST_LINES = 500  # of a file that does not say why
MOST_PARAMETERS = 8
FILE_NAMES_THAT_SAY_NOTHING = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}

# Functions that may have more parameters, each because a user calls it and its settings are independent of each other.
# Any other function takes options that travel together as one dataclass.
ENTRY_POINTS = {
    "tfconv.training.loop.fit.fit": "the settings of keras.Model.fit, and those of a run folder",
    "tfconv.export.saved_model.export_serving": "what goes into the SavedModel, and the formats beside it",
    "tfconv.export.checks.check_saved_model": "what an export is compared on, each from another source",
    "tfconv.cli.plot.plot": "its parameters are the options of `tfconv plot`",
}

# Words that a reader of Keras' documentation would not look for, each with the one to use. Names in code count, too:
# decoded_pictures and DecodedPictures are "decoded pictures".
BANNED_WORDS = {
    "picture": "image",
    "pictures": "images",
    "made up": "synthetic",
    "way up": "EXIF orientation",
    "words and marks": "tokens",
    "divide evenly": "label smoothing",
    "half of the way": "Lookahead with k and alpha",
    "numbers a word": "embedding dimension",
    "below the line": "sample standard deviation",
    "meeting": "collective call",
    "meetings": "collective calls",
    "to be had": "available",
    "lonely": "that occurs once",
    "by heart": "overfit",
    "stand twice": "are duplicates",
    "stands twice": "is a duplicate",
    "kept images": "cached images",
    "kept answers": "cached predictions",
    "kept texts": "cached texts",
}
BANNED = re.compile(rf"\b(?:{'|'.join(BANNED_WORDS)})\b")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
BUILD_FILES = ["Makefile", "pyproject.toml", ".ci/run", "CITATION.cff"]
READ_BY_PEOPLE = {
    "tfconv": ["tfconv/**/*.py", "tfconv/**/*.pyi"],
    "tests": ["tests/**/*.py"],
    "recipes": ["recipes/**/*"],
    # CHANGELOG.md tells of names that are gone.
    "docs": ["[A-BD-Z]*.md", "CONTRIBUTING.md", "docs/**/*.md", "saved_models/*.md", *BUILD_FILES],
}

ASKS_WHICH_KIND = re.compile(r'kind [!=]=|"images" if|isinstance\(.*Preprocess')


def without_type_checking(tree):
    """Walk a tree, leaving out what only type checkers execute."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes.extend(node.orelse)
        else:
            nodes.extend(ast.iter_child_nodes(node))


def names_of_stubs():
    """Return where each lazily imported name is defined: {"tfconv.data": {"csv": "tfconv.data.rows.tables", ...}}."""
    found = {}
    for path in PACKAGE.rglob("__init__.pyi"):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        names = found[package] = {}
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                inside = ".".join([package, *filter(None, [node.module])])
                for alias in node.names:
                    whole = f"{inside}.{alias.name}"
                    names[alias.asname or alias.name] = whole if whole in PATHS else inside
    return found


STUBS = names_of_stubs()


def imports(name):
    """Return the files of tfconv that a file imports, anywhere in it, through lazily imported names, too.

    Returns:
        {file: line}, and {name in the file: file of tfconv that it stands for}.
    """
    found, bound = {}, {}

    def add(module, line):
        if module in PATHS and module != name:
            found.setdefault(module, line)

    for node in without_type_checking(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tfconv":
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in PATHS:
                    bound[alias.asname or alias.name] = module
                add(module if module in PATHS else STUBS.get(node.module, {}).get(alias.name, node.module), node.lineno)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tfconv":
                    bound[alias.asname or "tfconv"] = alias.name if alias.asname else "tfconv"
                    add(alias.name, node.lineno)
    for node in without_type_checking(TREES[name]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            module = bound[node.value.id]
            add(STUBS.get(module, {}).get(node.attr, f"{module}.{node.attr}"), node.lineno)
    return found, bound


IMPORTS = {name: imports(name) for name in TREES}


def circles(graph):
    """Return the groups of files that import each other (Tarjan's strongly connected components of two or more)."""
    index, low, stack, found = {}, {}, [], []

    def visit(one):
        index[one] = low[one] = len(index)
        stack.append(one)
        for other in graph[one]:
            if other not in index:
                visit(other)
            if other in stack:
                low[one] = min(low[one], low[other])
        if low[one] == index[one]:
            group = [stack.pop()]
            while group[-1] != one:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for one in graph:
        if one not in index:
            visit(one)
    return found


def test_circles_are_found():
    graph = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": [], "e": ["d", "f"], "f": ["e"]}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


def test_no_file_imports_itself_through_others():
    graph = {name: found for name, (found, _) in IMPORTS.items()}
    places = [
        "\n".join(
            f"{PATHS[name].relative_to(ROOT)}:{line} imports {other}"
            for name in group
            for other, line in graph[name].items()
            if other in group
        )
        for group in circles(graph)
    ]
    assert not places, "\n\n".join(places)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def test_no_private_name_is_imported_by_another_file():
    places = []
    for name, tree in TREES.items():
        bound = IMPORTS[name][1]
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "tfconv"):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
                names = [node.attr]
            places += [f"{PATHS[name].relative_to(ROOT)}:{node.lineno} {one}" for one in names if is_private(one)]
    assert not places, "\n".join(places)


def test_no_private_attribute_is_used_by_another_file():
    """That of an object, say `engine._step`; those of Keras' and TensorFlow's objects are defined nowhere here."""
    own = {}
    for name, tree in TREES.items():
        nodes = list(ast.walk(tree))
        own[name] = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        own[name] |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own[name] |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined = set().union(*own.values())
    places = [
        f"{PATHS[name].relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr in defined - own[name]
        if ast.unparse(node.value) not in ("self", "cls", "super()")  # a subclass may
    ]
    assert not places, "\n".join(places)


def test_folders_can_be_taken_in_at_a_glance():
    apart = {"__init__.py", "__init__.pyi", "__main__.py", "py.typed", "__pycache__"}
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    counts = {
        str(folder.relative_to(ROOT)): sum(path.name not in apart for path in folder.iterdir()) for folder in folders
    }
    assert not {folder: count for folder, count in counts.items() if count > MOST_ENTRIES}


def test_file_names_are_nouns_that_one_would_look_up():
    paths = [*PACKAGE.rglob("*"), *(ROOT / "recipes").rglob("*")]
    assert not [str(path.relative_to(ROOT)) for path in paths if path.stem in FILE_NAMES_THAT_SAY_NOTHING]


def test_no_public_name_is_that_of_a_file_beside_it():
    """`package.name` would be the one or the other, by what was imported before."""
    places = [
        f"{package}.{name} is from {where}"
        for package, names in STUBS.items()
        for name, where in names.items()
        if f"{package}.{name}" in PATHS and where != f"{package}.{name}"
    ]
    assert not places, "\n".join(places)


def functions(tree, where):
    """Yield (qualified name, function) of all functions, those in classes and functions included."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{where}.{node.name}", node
        yield from functions(node, f"{where}.{node.name}" if named else where)


def parameters(function):
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.arg for argument in given if argument.arg not in ("self", "cls")]


def test_functions_have_few_parameters():
    counts = {
        name: len(parameters(function))
        for module, tree in TREES.items()
        for name, function in functions(tree, module)
        if function.name not in ("__init__", "__new__")
    }
    many = {name: count for name, count in counts.items() if count > MOST_PARAMETERS}
    assert not {name: count for name, count in many.items() if name not in ENTRY_POINTS}
    assert not [name for name in ENTRY_POINTS if name not in many], "these need no exception any more"


def test_long_files_say_why():
    """In the docstring: "One file because ..."."""
    for name, tree in TREES.items():
        lines = len(PATHS[name].read_text("utf-8").splitlines())
        assert lines <= MOST_LINES or "One file because" in (ast.get_docstring(tree) or ""), (PATHS[name], lines)


def banned_words(text):
    """Return (line, banned word) of a text; `_`, capitals inside a name and line ends separate words as spaces do."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    if not BANNED.search(re.sub(r"[^A-Za-z0-9]+", " ", apart).lower()):
        return []
    words = [(number, word) for number, line in enumerate(text.splitlines(), 1) for word in WORD.findall(line)]
    joined, starts, place = " ".join(word for _, word in words).lower(), {}, 0
    for number, word in words:
        starts[place] = number
        place += len(word) + 1
    return [(starts[match.start()], match[0]) for match in BANNED.finditer(joined)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("decoded_pictures = DecodedPictures()", [(1, "pictures"), (1, "pictures")]),
        ("# What is\n    # made-up\n", [(2, "made up")]),
        ("learn one batch by\n    heart", [(1, "by heart")]),
        ("MADE_UP = Picture", [(1, "made up"), (1, "picture")]),
        ("depicture, picturesque", []),
    ],
)
def test_banned_words_are_found(text, found):
    assert banned_words(text) == found


@pytest.mark.parametrize("where", READ_BY_PEOPLE)
def test_words_are_those_of_the_field(where):
    paths = sorted({path for pattern in READ_BY_PEOPLE[where] for path in ROOT.glob(pattern)} - {Path(__file__)})
    places = [
        f'{path.relative_to(ROOT)}:{line}: "{word}": say "{BANNED_WORDS[word]}"'
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
        for line, word in banned_words(path.read_text("utf-8"))
    ]
    assert not places, "\n".join(places)


def test_only_kinds_ask_which_kind_it_is():
    places = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for name, path in PATHS.items()
        if not name.startswith("tfconv.kinds")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if ASKS_WHICH_KIND.search(line)
    ]
    assert not places, "\n".join(places)
