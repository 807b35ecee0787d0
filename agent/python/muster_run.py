"""Entry of the script process: runs one hook of one package and reports to the agent.

Started as `python -I -B muster_run.py JOB.json`, with the null device as input and pipes
as outputs. Ends with 0 whenever the result was sent.
"""

import os
import sys

# Isolated mode leaves the folder of the program out of the search path.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from muster_runner.main import main  # noqa: E402

if __name__ == '__main__':
    main(sys.argv)
