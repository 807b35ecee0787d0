"""Exceptions that scripts raise or catch, and the guards for one-system helpers."""

import functools
import subprocess
import sys

from . import context


class EWaptException(Exception):
    """Base of the typed errors; carries the install status that the agent records."""

    install_status = 'ERROR'
    retry_count = None
    grace_delay = None

    def __init__(self, message='', install_status=None, retry_count=None, grace_delay=None):
        super().__init__(message)
        self.message = message
        if install_status is not None:
            self.install_status = install_status
        if retry_count is not None:
            self.retry_count = retry_count
        if grace_delay is not None:
            self.grace_delay = grace_delay


class EWaptInstallError(EWaptException):
    """The package could not be installed."""


class EWaptInstallPostponed(EWaptInstallError):
    """The installation is to be tried again later."""

    install_status = 'POSTPONED'
    retry_count = 5
    grace_delay = 3600


class EWaptDiskSpace(EWaptInstallError):
    """There is not enough free space."""


class EWaptBadTargetOS(EWaptInstallError):
    """The package or helper is not for this operating system."""


class EWaptNeedsNewerAgent(EWaptInstallError):
    """The package needs a newer agent."""


class EWaptUnavailablePackage(EWaptInstallError):
    """A needed package is not in the repositories."""


class EWaptConflictingPackage(EWaptInstallError):
    """A conflicting package is installed."""


class EWaptMissingCertificate(EWaptException):
    """A certificate is missing."""


class EWaptNotAPackage(EWaptException):
    """The file or folder is not a package."""


class EWaptBadControl(EWaptException):
    """The control file cannot be read."""


class EWaptMissingParameters(EWaptInstallError):
    """Parameters that the package requires were not supplied."""


class DownloadError(EWaptInstallError):
    """A download failed or did not hold what was expected."""


class EWaptCancelled(EWaptException):
    """The user or the agent cancelled the operation."""


class CommandError(subprocess.CalledProcessError):
    """A command ended with an unexpected code; holds `returncode` and `output`."""

    def __init__(self, returncode, cmd, output=''):
        super().__init__(returncode, cmd, output)
        self.returncode = returncode
        self.cmd = cmd
        self.output = output

    def __str__(self):
        text = 'command ended with code %s: %s' % (self.returncode, command_text(self.cmd))
        return text + output_tail(self.output)


class CommandTimeout(CommandError):
    """A command was stopped, with everything it had started, because it took too long."""

    def __init__(self, cmd, timeout_secs, output=''):
        super().__init__(None, cmd, output)
        self.timeout = timeout_secs

    def __str__(self):
        text = 'command was stopped after %s s: %s' % (self.timeout, command_text(self.cmd))
        return text + output_tail(self.output)


CalledProcessErrorOutput = CommandError


def command_text(cmd):
    """Shows a command given as text or list."""
    return cmd if isinstance(cmd, str) else subprocess.list2cmdline([str(part) for part in cmd])


def output_tail(output, limit=4000):
    """Returns the end of a command's output, ready to follow a message."""
    output = (output or '').strip()
    if not output:
        return ' (no output)'
    if len(output) > limit:
        output = '… ' + output[-limit:]
    return '\n' + output


def error(reason):
    """Stops the hook: the package gets the status ERROR with this reason."""
    raise EWaptInstallError(str(reason))


def system_name():
    """Names the operating system in words."""
    for is_it, name in ((context.is_windows, 'Windows'), (context.is_linux, 'Linux'),
                        (context.is_macos, 'macOS')):
        if is_it:
            return name
    return sys.platform


def _guard(function, allowed, needed, advice):
    @functools.wraps(function)
    def guarded(*args, **kwargs):
        if not allowed():
            raise EWaptBadTargetOS('%s works on %s only, this machine runs %s: %s' % (
                function.__name__, needed, system_name(), advice))
        return function(*args, **kwargs)
    guarded.needs_system = needed
    return guarded


def needs_windows(function=None, *, advice=None):
    """Marks a helper that only exists on Windows."""
    if function is None:
        return functools.partial(needs_windows, advice=advice)
    return _guard(function, lambda: context.is_windows, 'Windows', advice or (
        "call it under `if sys.platform == 'win32':` or set target_os to windows "
        'in the control file'))


def needs_linux(function=None, *, advice=None):
    """Marks a helper that only exists on Linux."""
    if function is None:
        return functools.partial(needs_linux, advice=advice)
    return _guard(function, lambda: context.is_linux, 'Linux', advice or (
        "call it under `if sys.platform.startswith('linux'):` or set target_os to linux "
        'in the control file'))


def needs_macos(function=None, *, advice=None):
    """Marks a helper that only exists on macOS."""
    if function is None:
        return functools.partial(needs_macos, advice=advice)
    return _guard(function, lambda: context.is_macos, 'macOS', advice or (
        "call it under `if sys.platform == 'darwin':` or set target_os to darwin "
        'in the control file'))


def needs_unix(function=None, *, advice=None):
    """Marks a helper that exists on Linux and macOS."""
    if function is None:
        return functools.partial(needs_unix, advice=advice)
    return _guard(function, lambda: not context.is_windows, 'Linux and macOS', advice or (
        "call it under `if sys.platform != 'win32':` or set target_os to unix in the control "
        'file'))


def not_on_macos(function):
    """Marks a helper that exists on Windows and Linux."""
    return _guard(function, lambda: not context.is_macos, 'Windows and Linux',
                  'on macOS run its own tools, such as dscl and launchctl, with run()')
