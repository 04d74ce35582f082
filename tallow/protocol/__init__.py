"""The protocol as pure machines: no socket, no clock, no disk, no await, no randomness of its own.

Every machine has the five doors of ``machine.py``; engine.link is the one loop that serves them.
Spec: docs/protocol.md.
"""
