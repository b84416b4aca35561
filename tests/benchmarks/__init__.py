"""Benchmarks: one command measures, beside a baseline in the same run, and prints a table.

``python -m tests.benchmarks`` is quick, ``--full`` has the numbers that the goals are about and
takes some hours; names of rows measure these alone.  It exits with 1 where a goal is not met.  CPU
is of the process in question; the machine should have nothing else to do.
"""
