"""What travels between programs: limits, codec, frames, relay messages.

The relay imports this room and nothing else of Tallow. It never opens a socket, never reads a
clock and knows no cryptography but the relay password's proof.
"""
