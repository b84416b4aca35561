"""Benchmarks: each prints a ratio against a baseline measured in the same run.

Run one with ``python -m tests.benchmarks.NAME``.
"""
