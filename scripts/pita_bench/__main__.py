"""`python -m pita_bench [RESULTS]`: runs and metrics of a folder."""

from . import main

main()
