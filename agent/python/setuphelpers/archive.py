"""Extraction of zip files that never writes outside its target."""

import fnmatch
import os
import shutil
import stat
import zipfile

from .errors import EWaptInstallError
from .text import ensure_list


def _wanted(name, patterns):
    if patterns is None:
        return True
    folded = name.replace('\\', '/')
    return any(folded == pattern or fnmatch.fnmatch(folded, pattern)
               or folded.startswith(pattern.rstrip('/') + '/') for pattern in patterns)


def _destination(target, name):
    """Returns the path of a member below target, or raises."""
    parts = name.replace('\\', '/').split('/')
    if name.startswith(('/', '\\')) or '..' in parts or any(':' in part for part in parts):
        raise EWaptInstallError('refused to extract %r: it leads outside %s' % (name, target))
    return os.path.join(target, *[part for part in parts if part not in ('', '.')])


def unzip(zipfn, target=None, filenames=None, extract_with_full_paths=True):
    """Extracts a zip (or the members given by name or pattern); returns the files written.

    Without a target the archive goes into a folder beside it, named like it.
    """
    zipfn = os.path.abspath(zipfn)
    target = os.path.abspath(target) if target else os.path.splitext(zipfn)[0]
    patterns = None if filenames is None else [
        pattern.replace('\\', '/') for pattern in ensure_list(filenames)]
    written = []
    with zipfile.ZipFile(zipfn) as archive:
        members = [member for member in archive.infolist() if _wanted(member.filename, patterns)]
        if patterns is not None and not members:
            raise EWaptInstallError('%s holds none of %s' % (zipfn, ', '.join(patterns)))
        for member in members:
            _destination(target, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise EWaptInstallError('refused to extract %r: it is a link' % member.filename)
        os.makedirs(target, exist_ok=True)
        for member in members:
            name = member.filename
            if not extract_with_full_paths:
                name = name.replace('\\', '/').rsplit('/', 1)[-1]
            path = _destination(target, name)
            if member.is_dir():
                if extract_with_full_paths:
                    os.makedirs(path, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(member) as source, open(path, 'wb') as output:
                shutil.copyfileobj(source, output)
            mode = (member.external_attr >> 16) & 0o777
            if mode & 0o111:
                os.chmod(path, mode | 0o600)
            written.append(path)
    return written
