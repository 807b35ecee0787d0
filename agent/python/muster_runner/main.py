"""Runs one job from start to end and always sends a result when a job could be read."""

import logging
import os
import sys

from .frames import Frames, open_log_streams


def main(arguments):
    """Runs the job file named on the command line; never returns."""
    open_log_streams()
    if len(arguments) != 2:
        print('usage: python -I -S -B muster_run.py JOB.json', file=sys.stderr)
        _leave(2)
    from .job import Job
    try:
        job = Job.read(arguments[1])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print('cannot read the job %s: %s: %s' % (arguments[1], type(error).__name__, error),
              file=sys.stderr)
        _leave(2)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO,
                        format='%(levelname)s %(message)s')
    from .own_process import prepare
    prepare(job)
    frames = Frames(job.nonce)
    result = run_job(job, frames)
    sys.stdout.flush()
    frames.send('result', **result)
    _leave(0)


def run_job(job, frames):
    """Loads the script, runs its hook and returns the fields of the result."""
    from .diagnose import describe
    from .hooks import RUNNERS
    from .script import SCRIPT_FILES, Script
    from setuphelpers import context
    result = {'status': 'OK', 'value': None, 'absent': False, 'uninstallkey': [],
              'missing_keys': [], 'new_keys': [], 'params': job.params, 'error': None,
              'wants_restart': False}
    script = None
    try:
        script = Script(job, frames.progress)
        script.load()
        RUNNERS[job.hook](script, result)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the script's failures
        result['error'] = describe(error, SCRIPT_FILES)
        result['status'] = result['error']['install_status']
        _log_error(result['error'])
        if script is not None and not result['uninstallkey']:
            keys = script.names.get('uninstallkey')
            result['uninstallkey'] = [str(key) for key in keys] if isinstance(keys, list) else []
    if script is not None:
        result['wants_restart'] = context.wants_restart
        given = script.names.get('params')
        result['params'] = given if isinstance(given, dict) else job.params
        result.update(script.agent.changes())
    return result


def _log_error(error):
    """Writes the traceback to the log, and the message where it says more."""
    text = error['traceback'].rstrip('\n')
    print(text, file=sys.stderr)
    if error['message'] not in text:
        print('%s: %s' % (error['type'], error['message']), file=sys.stderr)


def _leave(code):
    """Ends at once: threads and exit handlers of the script must not hold the agent up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)
