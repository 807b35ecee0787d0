"""Processes of the machine: find them by name or by open file, end them with their children."""

import os
import signal

from . import context
from .context import logger
from .text import ensure_list

#: Environment variable that marks a command and what it starts.
RUN_MARK = 'MUSTER_RUN_MARK'


class ProcessEntry:
    """One process: `pid`, `parent`, `name` (and `exe` where it is known)."""

    def __init__(self, pid, parent, name, exe=''):
        self.pid, self.parent, self._name, self.exe = pid, parent, name, exe

    def name(self):
        return self._name

    def __repr__(self):
        return 'ProcessEntry(%s, %r)' % (self.pid, self._name)


def list_processes():
    """Lists the processes of the machine."""
    if context.is_windows:
        return list(_windows_processes())
    return list(_macos_processes() if context.is_macos else _linux_processes())


def parse_ps(text):
    """Reads lines of pid, parent and program."""
    for line in text.splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdigit() and fields[1].isdigit():
            yield ProcessEntry(int(fields[0]), int(fields[1]), os.path.basename(fields[2]),
                               fields[2])


def _macos_processes():
    import subprocess
    done = subprocess.run(['ps', '-axo', 'pid=,ppid=,comm='], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, encoding='utf-8', errors='replace',
                          timeout=60, check=True)
    return parse_ps(done.stdout)


def _linux_processes():
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open('/proc/%s/stat' % entry, encoding='utf-8', errors='replace') as file:
                text = file.read()
        except OSError:
            continue
        # The name stands in brackets and may itself hold blanks and brackets.
        name = text[text.index('(') + 1:text.rindex(')')]
        state, parent = text[text.rindex(')') + 2:].split()[:2]
        if state == 'Z':
            continue
        try:
            exe = os.readlink('/proc/%s/exe' % entry)
        except OSError:
            exe = ''
        full = os.path.basename(exe)
        yield ProcessEntry(int(entry), int(parent),
                           full if len(name) == 15 and full.startswith(name) else name, exe)


def _windows_processes():
    import ctypes
    from ctypes import wintypes

    class Entry(ctypes.Structure):
        _fields_ = [('size', wintypes.DWORD), ('usage', wintypes.DWORD),
                    ('pid', wintypes.DWORD), ('heap', ctypes.c_size_t),
                    ('module', wintypes.DWORD), ('threads', wintypes.DWORD),
                    ('parent', wintypes.DWORD), ('priority', wintypes.LONG),
                    ('flags', wintypes.DWORD), ('name', wintypes.WCHAR * 260)]

    kernel32 = ctypes.WinDLL('kernel32', use_last_error=True)
    kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    for function in (kernel32.Process32FirstW, kernel32.Process32NextW):
        function.argtypes = [wintypes.HANDLE, ctypes.c_void_p]
    kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
    snapshot = kernel32.CreateToolhelp32Snapshot(2, 0)
    if snapshot in (None, wintypes.HANDLE(-1).value):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        entry = Entry(size=ctypes.sizeof(Entry))
        more = kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
        while more:
            yield ProcessEntry(entry.pid, entry.parent, entry.name)
            more = kernel32.Process32NextW(snapshot, ctypes.byref(entry))
    finally:
        kernel32.CloseHandle(snapshot)


def normal_name(name):
    """Reduces a process name for comparison: no folder, no case, no .exe."""
    name = os.path.basename(name.strip().replace('\\', '/')).lower()
    return name[:-4] if name.endswith('.exe') else name


def find_processes(process_name):
    """Lists the processes with this name, given with or without .exe."""
    wanted = normal_name(process_name)
    return [process for process in list_processes()
            if wanted and normal_name(process.name()) == wanted]


def isrunning(processname):
    """Tells whether a process of this name runs."""
    return bool(find_processes(processname))


def descendants(pid, processes=None):
    """Lists the pids of a process's children and their children, nearest first."""
    processes = list_processes() if processes is None else processes
    found, queue = [], [pid]
    while queue:
        parent = queue.pop(0)
        children = [process.pid for process in processes
                    if process.parent == parent and process.pid not in found
                    and process.pid not in (pid, 0)]
        found += children
        queue += children
    return found


def _kill(pid):
    if pid in (0, os.getpid()):
        return False
    if context.is_windows:
        import ctypes
        from ctypes import wintypes
        kernel32 = ctypes.WinDLL('kernel32', use_last_error=True)
        kernel32.OpenProcess.restype = wintypes.HANDLE
        kernel32.TerminateProcess.argtypes = [wintypes.HANDLE, wintypes.UINT]
        kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
        handle = kernel32.OpenProcess(1, False, pid)
        if not handle:
            return False
        try:
            return bool(kernel32.TerminateProcess(handle, 1))
        finally:
            kernel32.CloseHandle(handle)
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False
    except PermissionError as error:
        logger.warning('cannot end process %s: %s', pid, error)
        return False


def killtree(pid, including_parent=True):
    """Ends a process with all it started; returns the pids that were ended."""
    if not context.is_windows and including_parent and pid != os.getpid():
        # Frozen, the parent cannot start another child while the list is made.
        try:
            os.kill(pid, signal.SIGSTOP)
        except (ProcessLookupError, PermissionError):
            pass
    targets = descendants(pid)
    if including_parent:
        targets.insert(0, pid)
    return [target for target in targets if _kill(target)]


def kill_marked(mark):
    """Ends what a marked command left behind after its own parent had gone (Linux)."""
    if not context.is_linux:
        return
    needle = ('%s=%s' % (RUN_MARK, mark)).encode()
    for process in list_processes():
        try:
            with open('/proc/%d/environ' % process.pid, 'rb') as file:
                marked = needle in file.read().split(b'\0')
        except OSError:
            continue
        if marked:
            _kill(process.pid)


def killalltasks(process_names, include_children=True):
    """Ends every process with one of the names (list or 'a,b'); returns the pids."""
    wanted = {normal_name(name) for name in ensure_list(process_names) if name.strip()}
    wanted.discard('')
    if not wanted:
        return []
    processes = list_processes()
    protected = {os.getpid()} | {process.parent for process in processes
                                 if process.pid == os.getpid()}
    killed = []
    for process in processes:
        if normal_name(process.name()) not in wanted or process.pid in protected:
            continue
        if include_children:
            killed += killtree(process.pid)
        elif _kill(process.pid):
            killed.append(process.pid)
    return killed


def processes_for_file(filepath, open_files=True, dll=True):
    """Lists the processes that run a file or, on Linux, hold it open or mapped.

    Windows and macOS do not tell who holds a file: there the program's name decides.
    """
    if not context.is_linux:
        name = normal_name(filepath)
        return [process for process in list_processes() if normal_name(process.name()) == name]
    path = os.path.realpath(filepath)
    found = []
    for process in list_processes():
        base = '/proc/%d' % process.pid
        try:
            held = process.exe == path or (open_files and any(
                os.path.realpath(os.path.join(base, 'fd', number)) == path
                for number in os.listdir(base + '/fd')))
            if not held and dll:
                with open(base + '/maps', encoding='utf-8', errors='replace') as file:
                    held = any(line.rstrip('\n').endswith(' ' + path) for line in file)
        except OSError:
            continue
        if held:
            found.append(process)
    return found
