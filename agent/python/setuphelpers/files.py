"""Files and folders: test, find, create, copy, delete, hash."""

import fnmatch
import hashlib
import os
import shutil
import stat
import sys
import time

from . import context
from .context import logger
from .errors import EWaptInstallError, needs_windows
from .text import ensure_list


def isfile(location):
    """Tells whether a file is there."""
    return os.path.isfile(location)


def isdir(location):
    """Tells whether a folder is there."""
    return os.path.isdir(location)


def mkdirs(path):
    """Creates a folder and its parents; one that exists is fine. Returns the path."""
    os.makedirs(path, exist_ok=True)
    return path


def ensure_dir(filename):
    """Creates the folder that is to hold a file."""
    folder = os.path.dirname(filename)
    if folder:
        mkdirs(folder)


def dir_is_empty(path):
    """Tells whether a folder holds nothing."""
    with os.scandir(path) as entries:
        return next(entries, None) is None


def _make_writable(path):
    try:
        os.chmod(path, os.stat(path).st_mode | stat.S_IWUSR)
    except OSError:
        pass


def remove_file(path):
    """Deletes a file, read-only ones too; a missing file is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        raise EWaptInstallError('%s is a folder: use remove_tree()' % path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except PermissionError:
        _make_writable(path)
        os.unlink(path)


def remove_tree(path, ignore_errors=False):
    """Deletes a folder with all it holds; a missing one is fine, links are not followed."""
    if os.path.abspath(path) == os.path.abspath(os.sep) or os.path.ismount(path):
        raise EWaptInstallError('refused to delete %s: it is a whole file system' % path)
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
        return

    def retry_writable(function, failed, _reason):
        if not os.path.lexists(failed):
            return
        _make_writable(os.path.dirname(failed))
        _make_writable(failed)
        function(failed)

    if os.path.isdir(path):
        # Python 3.12 renamed the handler of failures.
        handler = 'onexc' if sys.version_info >= (3, 12) else 'onerror'
        shutil.rmtree(path, ignore_errors=ignore_errors,
                      **({} if ignore_errors else {handler: retry_writable}))


def filecopyto(filename, target):
    """Copies one file into a folder or to a file name; returns the new path."""
    if not os.path.isfile(filename):
        raise EWaptInstallError('cannot copy %s: there is no such file (current folder: %s)'
                                % (filename, os.getcwd()))
    if os.path.isdir(target):
        target = os.path.join(target, os.path.basename(filename))
    elif not os.path.isdir(os.path.dirname(os.path.abspath(target))):
        raise EWaptInstallError('cannot copy %s to %s: the folder does not exist, create it '
                                'with mkdirs()' % (filename, target))
    if os.path.lexists(target):
        remove_file(target)
    return _copy(filename, target)


def default_oncopy(msg, src, dst):
    """copytree2: logs each step and lets it go on."""
    logger.debug('%s: "%s" to "%s"', msg, src, dst)
    return True


def default_skip(src, dst):
    """copytree2: keeps files that are already there."""
    return False


def default_overwrite(src, dst):
    """copytree2: replaces files that are already there."""
    return True


def default_overwrite_older(src, dst):
    """copytree2: replaces a file only by a newer one."""
    return os.stat(src).st_mtime > os.stat(dst).st_mtime


def copytree2(src, dst, ignore=None, onreplace=default_skip, oncopy=default_oncopy,
              enable_replace_at_reboot=True):
    """Copies a tree; `onreplace(src, dst)` decides on files that exist, `ignore(dir, names)`
    gives the names to leave out, and `oncopy(msg, src, dst)` may refuse a step."""
    if not os.path.isdir(src):
        raise EWaptInstallError('cannot copy %s: there is no such folder (current folder: %s)'
                                % (src, os.getcwd()))
    names = sorted(os.listdir(src))
    ignored = set(ignore(src, names)) if ignore else set()
    if not os.path.isdir(dst):
        if not oncopy('create directory', src, dst):
            return
        os.makedirs(dst)
    for name in names:
        if name in ignored:
            continue
        source, target = os.path.join(src, name), os.path.join(dst, name)
        if os.path.isdir(source) and not os.path.islink(source):
            copytree2(source, target, ignore, onreplace, oncopy, enable_replace_at_reboot)
            continue
        if os.path.lexists(target):
            if not onreplace(source, target) or not oncopy('overwrites', source, target):
                continue
        elif not oncopy('copy', source, target):
            continue
        _copy_over(source, target, enable_replace_at_reboot)
    shutil.copystat(src, dst)


def _copy(source, target, follow_symlinks=True):
    # As shutil.copy2() did before Python 3.12: content, mode and times. The newer one calls a
    # function of Windows that also copies where a file came from, which makes Windows ask users
    # about programs "from the Internet".
    shutil.copyfile(source, target, follow_symlinks=follow_symlinks)
    shutil.copystat(source, target, follow_symlinks=follow_symlinks)
    return target


def _copy_over(source, target, enable_replace_at_reboot):
    try:
        if os.path.lexists(target):
            remove_file(target)
        _copy(source, target, follow_symlinks=False)
    except PermissionError:
        if not (context.is_windows and enable_replace_at_reboot):
            raise
        pending = target + '.pending'
        _copy(source, pending)
        replace_at_next_reboot(pending, target)


@needs_windows(advice='Linux replaces files in use at once: copy over them')
def replace_at_next_reboot(tmp_filename, target_filename):
    """Has Windows put tmp_filename in place of target_filename when it starts."""
    _move_at_reboot(tmp_filename or target_filename + '.pending', target_filename)


@needs_windows(advice='Linux deletes files in use at once: use remove_file()')
def delete_at_next_reboot(target_filename):
    """Has Windows delete a file when it starts."""
    _move_at_reboot(target_filename, None)


def _move_at_reboot(source, target):
    import ctypes
    replace_existing, delay_until_reboot = 1, 4
    if not ctypes.windll.kernel32.MoveFileExW(source, target,
                                              replace_existing | delay_until_reboot):
        raise ctypes.WinError()


def all_files(rootdir, pattern=None):
    """Lists the files of a tree whose names match the pattern."""
    found = []
    for folder, folders, names in os.walk(rootdir):
        folders.sort()
        found += [os.path.join(folder, name) for name in sorted(names)
                  if pattern is None or fnmatch.fnmatch(name, pattern)]
    return found


def find_all_files(rootdir, include_patterns=None, exclude_patterns=None,
                   include_dirs=None, exclude_dirs=None, excludes_full=None):
    """Yields the files of a tree, chosen by patterns on file and folder names."""
    include, exclude = ensure_list(include_patterns), ensure_list(exclude_patterns)
    only_dirs, no_dirs = ensure_list(include_dirs), ensure_list(exclude_dirs)
    no_paths = ensure_list(excludes_full)

    def matches(name, patterns):
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    for folder, folders, names in os.walk(rootdir):
        folders[:] = sorted(name for name in folders if not matches(name, no_dirs))
        relative = os.path.relpath(folder, rootdir)
        if only_dirs and not any(matches(part, only_dirs) for part in relative.split(os.sep)):
            continue
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.relpath(path, rootdir) in no_paths or matches(name, exclude):
                continue
            if not include or matches(name, include):
                yield path


def file_is_locked(path, timeout=5):
    """Tells whether a file cannot be opened for writing during the whole timeout."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with open(path, 'ab'):
                return False
        except FileNotFoundError:
            return False
        except OSError:
            if time.monotonic() >= deadline:
                return True
            time.sleep(0.2)


def hash_file(path, algorithm):
    """Returns the hexadecimal digest of a file."""
    digest = hashlib.new(algorithm)
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def get_sha256(afile=''):
    """Returns the SHA-256 of a file in hexadecimal."""
    return hash_file(afile, 'sha256')


def sha256_for_file(fname, block_size=None):
    """Returns the SHA-256 of a file in hexadecimal."""
    return hash_file(fname, 'sha256')


def sha1_for_file(fname, block_size=None):
    """Returns the SHA-1 of a file in hexadecimal."""
    return hash_file(fname, 'sha1')


def md5_for_file(fname, block_size=None):
    """Returns the MD5 of a file in hexadecimal."""
    return hash_file(fname, 'md5')


def get_disk_free_space(filepath):
    """Returns the free bytes of the file system that holds (or will hold) a path."""
    path = os.path.abspath(filepath)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def _set_attribute(path, hidden):
    import ctypes
    kernel32 = ctypes.windll.kernel32
    current = kernel32.GetFileAttributesW(path)
    if current == -1:
        raise ctypes.WinError()
    wanted = current | 2 if hidden else current & ~2
    if not kernel32.SetFileAttributesW(path, wanted):
        raise ctypes.WinError()


@needs_windows(advice='on Linux a file is hidden by a name that starts with a dot')
def set_file_hidden(path):
    """Hides a file."""
    _set_attribute(path, True)


@needs_windows(advice='on Linux a file is hidden by a name that starts with a dot')
def set_file_visible(path):
    """Shows a hidden file."""
    _set_attribute(path, False)
