"""The native kernel (native/native.cc)."""

from typing import Any

def targets() -> dict[str, Any]:
    """XLA FFI targets: name -> capsule."""

def simd() -> str:
    """The instruction set in use: avx512, avx2 or baseline."""
