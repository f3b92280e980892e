"""The native kernel, an extension that an installation does without where it cannot be built."""

import sys
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).parent / "packaging"))
from build_backend import compiler, headers

include = headers()
kernel = Extension(
    "adam_vs_gd._native",
    sources=["native/native.cc"],
    depends=[str(path) for path in sorted(Path("native").glob("*.[hi]*"))],
    include_dirs=[str(include)],
    extra_compile_args=[
        "-std=c++17", "-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
        "-fvisibility=hidden", "-Wno-ignored-attributes", "-Wno-psabi",
    ],
    language="c++",
    py_limited_api=True,
    optional=True,  # a compiler that cannot: there is a slower path
)  # fmt: skip

setup(
    ext_modules=[kernel] if compiler() and include else [],  # without: a wheel for any platform
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
