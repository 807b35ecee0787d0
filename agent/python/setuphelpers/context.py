"""State of the package that is being handled: root prefix, control, keys, options.

The runner fills these variables before it executes a setup.py; the helpers read
them, so that scripts need not pass them from call to call.
"""

import logging
import os
import sys

#: Prefix of every system location; '' means the real system.
root = ''
#: Names of the script that runs (its module dictionary), or None outside the runner.
namespace = None
#: PackageEntry of the package that runs, or None outside the runner.
control = None
force = False
#: A program that the script ran asked for a restart of the machine.
wants_restart = False
language = None
config = {}
#: Called with (percent or None, text) by long helpers; the runner sends it to the agent.
progress_sink = None

logger = logging.getLogger('setuphelpers')

is_windows = sys.platform == 'win32'
is_linux = sys.platform.startswith('linux')
is_macos = sys.platform == 'darwin'


def under_root(path):
    """Places an absolute path of the system below the root prefix, when there is one."""
    path = os.fspath(path)
    if not root:
        return path
    base = os.path.abspath(root)
    drive, rest = os.path.splitdrive(path)
    if os.path.normcase(path).startswith(os.path.normcase(base).rstrip('/\\') + os.sep):
        return path
    parts = [drive.rstrip(':')] if drive else []
    return os.path.join(base, *parts, rest.lstrip('/\\'))


def uninstall_keys():
    """Returns the list object `uninstallkey` of the running script."""
    if namespace is None:
        return []
    keys = namespace.get('uninstallkey')
    if not isinstance(keys, list):
        keys = [keys] if isinstance(keys, str) and keys else list(keys or [])
        namespace['uninstallkey'] = keys
    return keys


def impacted_processes():
    """Returns the process names of the control attribute `impacted_process`."""
    value = getattr(control, 'impacted_process', None) or ''
    names = value.split(',') if isinstance(value, str) else value
    return [name.strip() for name in names if name.strip()]


def report_progress(percent, text):
    """Tells the agent how far a long operation is; outside the runner it is only logged."""
    if progress_sink is None:
        logger.debug('%s %s', '' if percent is None else '%d%%' % percent, text)
    else:
        progress_sink(percent, text)
