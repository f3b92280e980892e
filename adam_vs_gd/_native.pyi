"""The native kernel (native/native.cc)."""

from typing import Any

def targets() -> dict[str, Any]:
    """XLA FFI targets: name -> capsule."""

def simd() -> str:
    """The instruction set in use: avx512, avx2 or baseline."""

def cuda_target() -> Any:
    """The FFI target that launches kernels on a GPU: a capsule. RuntimeError where there is no driver of CUDA."""

def cuda_program(name: str, binary: bytes) -> None:
    """Keep the binary of a program under its name."""
