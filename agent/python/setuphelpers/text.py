"""Conversions of text and lists."""

import json
import locale


def ensure_list(value, ignore_empty_args=True, allow_none=False):
    """Turns 'a, b' or any sequence into a list; None gives [] unless allow_none."""
    if value is None:
        return None if allow_none else []
    if isinstance(value, bytes):
        value = ensure_unicode(value)
    if isinstance(value, str):
        items = [item.strip() for item in value.split(',')]
        return [item for item in items if item] if ignore_empty_args else items
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    return [value]


def decode_bytes(data):
    """Decodes what a program printed: UTF-8 first, then the system's own code page."""
    for encoding in ('utf-8', console_encoding(), locale.getpreferredencoding(False)):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode('latin-1')


def console_encoding():
    """Returns the code page of Windows console programs ('utf-8' elsewhere)."""
    try:
        import ctypes
        return 'cp%d' % ctypes.windll.kernel32.GetOEMCP()
    except (ImportError, AttributeError, OSError):
        return 'utf-8'


def ensure_unicode(data):
    """Turns anything, bytes and exceptions included, into text; None stays None."""
    if data is None or isinstance(data, str):
        return data
    if isinstance(data, (bytes, bytearray)):
        return decode_bytes(bytes(data))
    return str(data)


def jsondump(value, **options):
    """Writes JSON; dates and other objects become text."""
    options.setdefault('default', str)
    return json.dumps(value, **options)


def make_identifier(label):
    """Reduces a label to lower-case letters, digits and dashes."""
    words = ''.join(c if c.isalnum() and c.isascii() else ' ' for c in label).split()
    return '-'.join(words).lower()
