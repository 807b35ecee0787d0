"""Runs the named tests of this folder under the embeddable CPython, whose search path is fixed."""

import faulthandler
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON_DIR = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [PYTHON_DIR, os.path.dirname(HERE), HERE]
#: A run that takes longer shows where it stands, and ends.
_TOO_LONG_SECS = 240

if __name__ == '__main__':
    faulthandler.dump_traceback_later(_TOO_LONG_SECS, exit=True)
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if result.wasSuccessful() and result.testsRun else 1)
