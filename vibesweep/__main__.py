"""`python -m vibesweep`."""

from vibesweep.cli import main

main()
