"""One fault at a time: what every damaged byte, field, message and frame must lead to, as data."""
