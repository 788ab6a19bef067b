"""Kernels: the same names and arguments in every module; they check nothing."""
