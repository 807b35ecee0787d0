"""Commands: run them with a time limit, keep their output, stop their whole tree."""

import os
import subprocess
import sys
import threading
import uuid

from . import context
from .context import logger
from .errors import CommandError, CommandTimeout
from .processlist import RUN_MARK, kill_marked, killtree
from .text import decode_bytes

#: Windows Installer: a restart was begun, a restart is needed.
_RESTART_CODES = (1641, 3010)
#: Time that output may still arrive after the command itself has ended.
_DRAIN_SECS = 2


class RunOutput(str):
    """Output of a command: text that also knows its `returncode`."""

    returncode = 0

    @classmethod
    def of(cls, text, returncode):
        output = cls(text)
        output.returncode = returncode
        return output


class _Reader(threading.Thread):
    """Collects what a pipe delivers and passes it on, line by line, to `on_write`."""

    def __init__(self, pipe, on_write):
        super().__init__(name='command output', daemon=True)
        self.pipe, self.on_write, self.blocks = pipe, on_write, []
        self.failure = None

    def run(self):
        try:
            for block in self.pipe:
                self.blocks.append(block)
                if self.on_write is not None and self.failure is None:
                    try:
                        self.on_write(decode_bytes(block))
                    except Exception as error:  # reading must go on or the command blocks
                        self.failure = error
        except (OSError, ValueError):
            pass
        finally:
            self.pipe.close()

    def text(self):
        return decode_bytes(b''.join(self.blocks)).replace('\r\n', '\n')


def _start(cmd, shell, return_stderr, options):
    if isinstance(cmd, (list, tuple)):
        cmd, shell = [os.fspath(part) if isinstance(part, os.PathLike) else str(part)
                      for part in cmd], False
    mark = uuid.uuid4().hex
    environment = dict(options.pop('env', None) or os.environ)
    environment[RUN_MARK] = mark
    options.setdefault('stdin', subprocess.DEVNULL)
    if return_stderr is True:
        options['stderr'] = subprocess.STDOUT
    elif return_stderr is False or return_stderr is None:
        options['stderr'] = None
    else:
        options['stderr'] = subprocess.PIPE
    if context.is_windows:
        options.setdefault('creationflags', 0x08000000)  # CREATE_NO_WINDOW
    sys.stdout.flush()
    process = subprocess.Popen(cmd, shell=shell, stdout=subprocess.PIPE, env=environment,
                               **options)
    return process, mark


def run(cmd, shell=True, timeout=600, accept_returncodes=(0, 1641, 3010), on_write=None,
        pidlist=None, return_stderr=True, **options):
    """Runs a command line (or a list of arguments) and returns its output.

    After `timeout` seconds the command and everything it started are killed and
    CommandTimeout is raised; an unexpected code raises CommandError. Both carry
    the output. Other keywords (cwd, env, ...) go to subprocess.Popen. With
    return_stderr=False the error output goes to the log; given a list, its lines
    are appended there.
    """
    logger.info('running %s', cmd)
    accepted = None if accept_returncodes is None else (
        [accept_returncodes] if isinstance(accept_returncodes, int) else list(accept_returncodes))
    process, mark = _start(cmd, shell, return_stderr, options)
    if isinstance(pidlist, list):
        pidlist.append(process.pid)
    readers = [_Reader(process.stdout, on_write)]
    if process.stderr is not None:
        readers.append(_Reader(process.stderr, None))
    for reader in readers:
        reader.start()
    try:
        process.wait(timeout)
        expired = False
    except subprocess.TimeoutExpired:
        expired = True
    except BaseException:
        _stop(process, mark)
        raise
    if expired:
        _stop(process, mark)
    for reader in readers:
        reader.join(_DRAIN_SECS)
    if isinstance(pidlist, list) and process.pid in pidlist:
        pidlist.remove(process.pid)
    output = readers[0].text()
    if len(readers) > 1 and isinstance(return_stderr, list):
        return_stderr.extend(readers[1].text().splitlines())
    if expired:
        raise CommandTimeout(cmd, timeout, output)
    if readers[0].failure is not None:
        raise readers[0].failure
    if process.returncode in _RESTART_CODES:
        context.wants_restart = True
    if accepted is not None and process.returncode not in accepted:
        raise CommandError(process.returncode, cmd, output)
    return RunOutput.of(output, process.returncode)


def _stop(process, mark):
    killtree(process.pid)
    kill_marked(mark)
    try:
        process.wait(_DRAIN_SECS)
    except subprocess.TimeoutExpired:
        logger.warning('process %s does not end', process.pid)


def run_notfatal(*cmd, **options):
    """Runs a command and returns its output; a failure is only logged."""
    if len(cmd) == 1:
        cmd = cmd[0]
    try:
        return run(cmd, **options)
    except CommandError as error:
        logger.warning('%s', error)
        return RunOutput.of(error.output or '', error.returncode)
    except (OSError, ValueError) as error:
        logger.warning('cannot run %s: %s', cmd, error)
        return RunOutput.of('', None)


def shell_launch(cmd):
    """Opens a file, folder or address with its program and does not wait."""
    if context.is_windows:
        os.startfile(cmd)
    else:
        subprocess.Popen(['xdg-open', cmd], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
