"""The relay: its mind in memory, its links on real sockets, its program in a process."""
