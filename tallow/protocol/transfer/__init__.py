"""Moving files: what is offered, what was accepted, which leaves go when.

Spec: docs/protocol.md §7–§9.
"""
