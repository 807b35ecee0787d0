"""Entry of the script process: runs one hook of one package and reports to the agent.

Started as `python -I -S -B muster_run.py JOB.json`, with the null device as input and pipes
as outputs. Ends with 0 whenever the result was sent.
"""

import os
import sys

# Isolated mode leaves the folder of the program out of the search path, -S the machine's own
# modules: scripts find the standard library, setuphelpers and what the agent carries.
_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, _HERE)
sys.path.append(os.path.join(_HERE, 'site-packages'))
if sys.platform == 'win32':
    # pywin32 lies in several folders and loads its own libraries from one of them.
    for _folder in ('win32', os.path.join('win32', 'lib')):
        sys.path.append(os.path.join(_HERE, 'site-packages', _folder))
    _LIBRARIES = os.path.join(_HERE, 'site-packages', 'pywin32_system32')
    if os.path.isdir(_LIBRARIES):
        os.add_dll_directory(_LIBRARIES)

from muster_runner.main import main  # noqa: E402

if __name__ == '__main__':
    main(sys.argv)
