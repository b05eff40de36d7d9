"""Thousands of files: one row for each, whatever becomes of it.

Import the modules; this file imports none, so that a decoder process does not load a network.
"""
