"""The engine: commands in, events out, a view to look at, and the async shells behind it.

Two front doors use it, the command line and the terminal interface; it knows neither.
Everything is imported from its own module, so that a front door loads only what it needs.
"""
