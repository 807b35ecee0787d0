"""What the script process sets up for itself before a script runs."""

import os
import sys

_PR_SET_CHILD_SUBREAPER = 36


def prepare(job):
    """Gives files the usual rights, goes where the script begins, and takes in orphans so that the
    agent can end them all."""
    if os.name == 'posix' and job.umask is not None:
        os.umask(job.umask)
    if job.working_dir:
        try:
            os.chdir(job.working_dir)
        except OSError as error:
            print('the script begins in %s: %s' % (os.getcwd(), error), file=sys.stderr)
    if sys.platform.startswith('linux'):
        _take_in_orphans()


def _take_in_orphans():
    """Becomes the parent of whatever processes of the script lose theirs (Linux)."""
    try:
        import ctypes
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        # A Python without ctypes: the mark in the environment still finds them.
        pass
