"""The native kernel, an extension that an installation does without where it cannot be built."""

import importlib.util
from pathlib import Path

from setuptools import Extension, setup

headers = Path(importlib.util.find_spec("jaxlib").origin).parent / "include"

setup(
    ext_modules=[
        Extension(
            "adam_vs_gd._native",
            sources=["native/native.cc"],
            depends=[str(path) for path in sorted(Path("native").glob("*.[hi]*"))],
            include_dirs=[str(headers)],
            extra_compile_args=[
                "-std=c++17", "-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
                "-fvisibility=hidden", "-Wno-ignored-attributes", "-Wno-psabi",
            ],
            language="c++",
            py_limited_api=True,
            optional=True,  # without a compiler there is a slower path
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)  # fmt: skip
