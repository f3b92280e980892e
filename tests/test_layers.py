"""The house: which room may know which, what must not import JAX, touch files, or print, and who names a problem."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import adam_vs_gd as ag
from adam_vs_gd.problems import KNOWN, family_named

PACKAGE = Path(__file__).parent.parent / "adam_vs_gd"
ROOMS = (
    "errors", "types", "markup", "vocabulary", "problem", "surroundings", "randomness", "objects", "problems", "spec",
    "results", "refine", "store", "engine", "problems.", "plot", "report", "show", "experiments", "bench", "cli",
)  # fmt: skip
"""From the ground up: a module imports from its own room and from those below. `problems` is the table of families,
which looks them up by name when it is asked; `problems.` are they."""
GENERIC = (
    "markup", "vocabulary", "problem", "problems", "objects", "spec", "results", "refine", "store", "engine", "plot",
    "report", "show",
)  # fmt: skip
"""Rooms that name no problem."""
WORDS = frozenset({
    "two_patch", "images", "alexnet", "two_layer_cnn", "alpha", "sigma_p", "sigma_0", "lam", "test_error",
    "train_error", "data_loss", "feature_learning", "noise_memorization", "capital_lambda", "high_frequency",
    "best_step", "supports", "beta1", "collapsed", "underfit", "undertrained", "filters", "image_digest", "textures",
    "signgd", "adam", "gd",
})  # fmt: skip
"""What would name one."""
ALLOWED = {
    ("problems", "two_patch"), ("problems", "images"), ("problems", "alexnet"), ("problems", "two_layer_cnn"),
    ("plot", "alpha"),  # matplotlib's
    ("engine", "alpha"), ("spec", "alpha"),  # the letter
}  # fmt: skip
NO_JAX = (
    "errors", "types", "markup", "vocabulary", "problem", "objects", "problems", "spec", "results", "refine", "store",
    "plot", "report", "show",
)  # fmt: skip
"""Rooms that never import JAX; and modules of others that do not:"""
NO_JAX_EITHER = (
    "engine.plan", "engine.outline", "engine.packing", "engine.progress", "engine.notebook", "engine.interruption",
    "engine.terminal", "engine.loading",
    "cli", "cli.main", "cli.commands", "cli.tables", "cli.structured", "cli.writing", "cli.new", "cli.completion",
    "problems.learning.table1", "problems.learning.numbers", "problems.learning.variables",
    "problems.two_patch.family", "problems.two_patch.reading", "problems.two_patch.theory.claims",
    "problems.two_patch.theory.account", "problems.two_patch.theory.table",
    "problems.images.family", "problems.images.sets", "problems.function.family",
)  # fmt: skip
KERNELS = (
    "types", "problem", "engine/chunk", "engine/plan", "engine/packing", "problems/learning", "problems/two_patch",
    "problems/images/network", "problems/images/alexnet", "problems/images/filters", "problems/function/tracing",
)  # fmt: skip
HOSTS = tuple(f"problems/two_patch/fast/{name}" for name in ("native", "cuda/available", "cuda/nvrtc"))
"""Of the kernels what looks at an environment variable, and what compiles them and keeps what it has compiled."""


def modules():
    """{dotted name in the package: its syntax tree}."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name not in ("", "__main__", "_version", "_native"):
            found[name] = ast.parse(path.read_text())
    return found


MODULES = modules()


def room_of(name):
    head, _, rest = name.partition(".")
    return "problems." if head == "problems" and rest else head


def running(tree):
    """Nodes of what runs, in functions too, but not only for types."""
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    left_out = {id(inner) for node in typing for inner in ast.walk(node)}
    return (node for node in ast.walk(tree) if id(node) not in left_out)


def imported(tree):
    """Names of the package's modules that one imports."""
    for node in running(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("adam_vs_gd"):
            base = node.module.removeprefix("adam_vs_gd").removeprefix(".")
            for alias in node.names:
                whole = ".".join(filter(None, [base, alias.name]))
                if (found := whole if whole in MODULES else base) in MODULES:
                    yield found


def test_imports_point_one_way():
    order = {room: k for k, room in enumerate(ROOMS)}
    assert {room_of(name) for name in MODULES} == set(ROOMS)
    wrong = [
        f"{name} imports {other}"
        for name, tree in MODULES.items()
        for other in imported(tree)
        if other and order[room_of(other)] > order[room_of(name)]
    ]
    assert not wrong, wrong


def test_no_problem_imports_another_but_for_what_learning_and_patches_share():
    for name, tree in MODULES.items():
        if name.startswith("problems.two_patch"):
            assert not [m for m in imported(tree) if m.startswith(("problems.images", "problems.function"))], name
        if name.startswith("problems.function"):
            assert not [m for m in imported(tree) if m.startswith(("problems.images", "problems.two_patch"))], name
        if name.startswith("problems.learning"):
            assert not [m for m in imported(tree) if m.startswith(("problems.images", "problems.two_patch"))], name


def docstrings(tree):
    """Every bare string: docstrings of modules, classes, functions, and of what stands above them."""
    return {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}


def named(tree):
    """Every identifier, and every word of a string that is no docstring."""
    told = docstrings(tree)
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "module"):
            if isinstance(text := getattr(node, field, None), str):
                yield from text.split(".")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield from node.value.replace(".", " ").replace("=", " ").replace('"', " ").replace(":", " ").split()


def test_generic_modules_name_no_problem():
    found = {
        f"{name} names {word}"
        for name, tree in MODULES.items()
        if (room := room_of(name)) in GENERIC
        for word in named(tree)
        if word in WORDS and (room, word) not in ALLOWED
    }
    assert not found, sorted(found)


def test_the_page_names_no_problem():
    for path in (PACKAGE / "report").glob("*.js"):
        words = set("".join(c if c.isalnum() or c == "_" else " " for c in path.read_text()).split())
        assert not words & WORDS, path.name


def test_modules_that_never_import_jax():
    names = [name for name in MODULES if room_of(name) in NO_JAX]
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'adam_vs_gd.{name}')\n"
        "    if 'jax' in sys.modules or 'jaxlib' in sys.modules: sys.exit(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *names, *NO_JAX_EITHER], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stderr} imports JAX"


def test_nor_do_their_functions():
    late = {
        f"{name}, line {node.lineno}"
        for name, tree in MODULES.items()
        if room_of(name) in (*NO_JAX, "cli")
        for node in running(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if (module or "").partition(".")[0] in ("jax", "jaxlib")
    }
    assert not late, sorted(late)


@pytest.mark.parametrize("start", KERNELS)
def test_kernels_touch_no_files_and_print_nothing(start):
    for path in [*PACKAGE.glob(f"{start}.py"), *(PACKAGE / start).rglob("*.py")]:
        if path.relative_to(PACKAGE).with_suffix("").as_posix() in HOSTS:
            continue
        tree = ast.parse(path.read_text())
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not {f.id for f in calls if isinstance(f, ast.Name)} & {"open", "print", "input"}, path
        known = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        known |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not known & {"os", "pathlib", "shutil", "time", "datetime", "sys"}, path


def test_jit_is_called_in_one_place():
    users = {path.stem for path in PACKAGE.rglob("*.py") if "jax.jit" in path.read_text()}
    assert users == {"chunk", "plain_jax"}, "plain_jax is what a user would write"


def test_importing_the_package_starts_no_backend():
    script = (
        "import adam_vs_gd as ag\nfor name in ag.__all__: getattr(ag, name)\n"
        "from jax._src import xla_bridge\nassert not xla_bridge._backends, xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACKAGE.parent)


def test_every_public_name_exists_and_has_a_docstring():
    for name in ag.__all__:
        assert getattr(ag, name).__doc__, name


def test_no_public_name_is_hidden_by_a_module():
    """`import adam_vs_gd.train` would replace the function `ag.train`."""
    rooms = {path.stem for path in PACKAGE.iterdir()}
    assert set(ag.__all__) & rooms == {"plot", "report"}


def test_no_module_is_longer_than_a_reader_bears():
    lines = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {name: count for name, count in lines.items() if count > 350}


@pytest.mark.parametrize("name", KNOWN)
def test_every_family_is_called_what_it_is_known_as(name):
    assert family_named(name).name == name
