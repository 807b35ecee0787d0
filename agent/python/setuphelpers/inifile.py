"""Reading and editing of ini files without losing comments or order."""

import os
import re

from .text import decode_bytes

_SECTION = re.compile(r'^\s*\[(?P<name>[^\]]+)\]')
_OPTION = re.compile(r'^\s*(?P<name>[^\s;#\[=:][^=:]*?)\s*(?P<mark>[=:])\s*(?P<value>.*?)\s*$')


def _read(inifilename):
    """Returns (lines, newline, encoding); a missing file has no line."""
    if not os.path.isfile(inifilename):
        return [], os.linesep, 'utf-8'
    with open(inifilename, 'rb') as file:
        data = file.read()
    if data.startswith((b'\xff\xfe', b'\xfe\xff')):
        text, encoding = data.decode('utf-16'), 'utf-16'
    elif data.startswith(b'\xef\xbb\xbf'):
        text, encoding = data.decode('utf-8-sig'), 'utf-8-sig'
    else:
        try:
            text, encoding = data.decode('utf-8'), 'utf-8'
        except UnicodeDecodeError:
            text = decode_bytes(data)
            encoding = 'latin-1' if text.encode('latin-1', 'ignore') == data else 'utf-8'
    newline = '\r\n' if '\r\n' in text else '\n'
    return text.replace('\r\n', '\n').split('\n'), newline, encoding


def _write(inifilename, lines, newline, encoding):
    with open(inifilename, 'wb') as file:
        file.write(newline.join(lines).encode(encoding))


def _section_range(lines, section):
    """Returns (first line after the header, end) of a section, or None."""
    start = None
    for number, line in enumerate(lines):
        match = _SECTION.match(line)
        if match is None:
            continue
        if start is not None:
            return start, number
        if match.group('name').strip().lower() == section.lower():
            start = number + 1
    return None if start is None else (start, len(lines))


def _option_line(lines, section, key):
    found = _section_range(lines, section)
    if found is None:
        return None
    for number in range(*found):
        match = _OPTION.match(lines[number])
        if match is not None and match.group('name').strip().lower() == key.lower():
            return number
    return None


def inifile_hassection(inifilename, section):
    """Tells whether the section exists."""
    return _section_range(_read(inifilename)[0], section) is not None


def inifile_hasoption(inifilename, section, key):
    """Tells whether the key exists in the section."""
    return _option_line(_read(inifilename)[0], section, key) is not None


def inifile_readstring(inifilename, section, key, default=None):
    """Returns the value of a key, or the default."""
    lines = _read(inifilename)[0]
    number = _option_line(lines, section, key)
    return default if number is None else _OPTION.match(lines[number]).group('value')


def inifile_writestring(inifilename, section, key, value):
    """Writes a key, creating file and section when needed; returns the value."""
    lines, newline, encoding = _read(inifilename)
    value = str(value)
    number = _option_line(lines, section, key)
    if number is not None:
        match = _OPTION.match(lines[number])
        lines[number] = lines[number][:match.start('value')] + value
    else:
        found = _section_range(lines, section)
        while lines and not lines[-1].strip():
            lines.pop()
        if found is None:
            lines += ([''] if lines else []) + ['[%s]' % section, '%s=%s' % (key, value)]
        else:
            end = min(found[1], len(lines))
            while end > found[0] and not lines[end - 1].strip():
                end -= 1
            lines.insert(end, '%s=%s' % (key, value))
        lines.append('')
    _write(inifilename, lines, newline, encoding)
    return value


def inifile_deleteoption(inifilename, section, key):
    """Deletes a key; returns whether it was there."""
    lines, newline, encoding = _read(inifilename)
    number = _option_line(lines, section, key)
    if number is None:
        return False
    del lines[number]
    _write(inifilename, lines, newline, encoding)
    return True


def inifile_deletesection(inifilename, section):
    """Deletes a section with its keys; returns whether it was there."""
    lines, newline, encoding = _read(inifilename)
    found = _section_range(lines, section)
    if found is None:
        return False
    del lines[found[0] - 1:found[1]]
    _write(inifilename, lines, newline, encoding)
    return True
