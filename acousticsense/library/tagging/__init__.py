"""Where files keep their genre, by kind of file, and the edits that leave them with one.

Each kind is a module with two functions over a binary file: `genres(file)`, what its tags say, and
`edits(file, genre)`, the ranges of bytes to replace so that every place which has a genre has this one. Nothing
outside of these ranges is ever touched, so tags and frames that are not understood stay as they are, to the byte.
"""
