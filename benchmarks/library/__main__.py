"""`python -m benchmarks.library`; a package, since decoder processes load the main module of other programs again."""

from benchmarks.library import main

main()
