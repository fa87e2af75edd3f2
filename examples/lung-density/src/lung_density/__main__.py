"""`python -m lung_density`."""

from lung_density.command import main

main()
