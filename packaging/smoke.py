"""Use an installed adam_vs_gd as a newcomer does: `python packaging/smoke.py [WHEEL]`, anywhere but in a checkout.

Sweeps, shows, plots, reports and verifies something tiny by the commands, and says whether the native kernel is there.
Told which wheel it came in, it fails if a wheel for one platform has no kernel that runs, or one for any platform has.
"""

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

SPEC = """
name = "smoke"
seeds = 2
steps = 60
record = 3
[data]
n = 20
d = 60
s = [5, 10]
alpha = [0.0, 0.4]
test_size = 100
[model]
width = 3
[optimizers.gd]
"""
"""One optimizer: nearly all of the time goes into a program for each, which is compiled anew."""


def command(*words: str) -> str:
    """What a command prints.

    Raises:
        subprocess.CalledProcessError: if its exit status is not 0; it has said why on stderr.
    """
    script = Path(sys.executable).with_name("adam-vs-gd")
    return subprocess.run([str(script), *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def use(folder: Path) -> None:
    """Every command that the tutorial starts with."""
    (folder / "smoke.toml").write_text(SPEC)
    out = str(folder / "out")
    command("sweep", str(folder / "smoke.toml"), "--out", out, "--quiet", "--no-compile-cache", "--devices", "1")
    if "8 of 8 cells computed" not in (said := command("show", out)):
        raise SystemExit(f"show does not say that 8 of 8 cells are computed:\n{said}")
    command("plot", out, "--out", str(folder / "figure.png"))
    command("report", out, "--out", str(folder / "page.html"))
    command("verify", out)
    for name in ("figure.png", "page.html"):
        if (folder / name).stat().st_size < 10_000:
            raise SystemExit(f"{name} is too small to be one")


def kernel() -> str:
    """The instruction set of the native kernel, or why there is none."""
    from adam_vs_gd.problems.two_patch.fast import native

    found = native.load()
    return found.simd or f"none: {found.why_not}"


if __name__ == "__main__":
    import adam_vs_gd

    version = importlib.metadata.version("adam-vs-gd")
    print("adam_vs_gd", version, "of", Path(adam_vs_gd.__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        use(Path(folder))
    print("native kernel:", found := kernel())
    for wheel in sys.argv[1:2]:
        if found.startswith("none") != wheel.endswith("-none-any.whl"):
            raise SystemExit(f"that is not what {Path(wheel).name} is for")
