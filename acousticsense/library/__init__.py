"""Thousands of files: one row for each, whatever becomes of it.

    decode     a path -> pictures and health, or the reason why not       CPU stage: picklable, no weights, any process
    judge      a batch of those -> rows                                   network stage: one classifier
    pool       the CPU stage in processes that may hang or crash
    engine     paths | pool | judge, with everything in between bounded
    rows       the row, and as JSON
    identity   whether a row still holds: digest of the settings, stamp of the file

Import the modules; this file imports none, so that a decoder process does not load a network.
"""
