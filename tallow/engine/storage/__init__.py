"""Files on this machine: the only rooms that write received or stored data."""
