"""Stands for API Gateway and Lambda in front of a function that streams: real HTTP outside, the Runtime API inside.

The function runs as Lambda runs it, as a process of its own whose layers are merged into one folder, started by its
exec wrapper. Whatever the runtime says is checked strictly, and each breach is kept in `Front.violations`.
"""
