"""Starts the web page and the REST API: `python app_gradio.py [OPTIONS]`, those of `acousticsense serve`."""

from __future__ import annotations

import sys

from acousticsense.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
