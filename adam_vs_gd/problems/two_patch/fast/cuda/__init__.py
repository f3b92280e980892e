"""Kernels for NVIDIA's GPUs: CUDA C++ that is compiled when it is first used, and the programs of JAX that launch it."""
