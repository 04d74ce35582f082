"""The command line: words in, commands to the engine; events out, words to people.

``main.py`` reads the command, ``exchange.py`` drives the engine, ``render.py`` alone prints.
Only click is loaded before it is known which command runs.
"""
