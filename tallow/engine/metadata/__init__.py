"""What `--strip-metadata` (C6) leaves out of a picture: plans over bytes, never a file.

Start at detect.py. jpeg, png, webp and heif each know one format; pieces.py is what they return.
"""
