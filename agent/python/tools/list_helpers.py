"""Writes docs/setuphelpers.md: every name that `from setuphelpers import *` gives, from the code.

Usage: list_helpers.py FILE
"""

import inspect
import os
import sys
import textwrap

_PYTHON_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if _PYTHON_DIR not in sys.path:
    sys.path.insert(0, _PYTHON_DIR)
sys.dont_write_bytecode = True

import setuphelpers  # noqa: E402
from setuphelpers import windows_registry  # noqa: E402

#: Chapters and the topics (modules of setuphelpers) that each shows.
CHAPTERS = (
    ('Processes', ('process', 'processlist')),
    ('Files and folders', ('files', 'archive')),
    ('Downloads', ('net',)),
    ('Ini files', ('inifile',)),
    ('Dates and texts', ('dates', 'text')),
    ('Packages and versions', ('package', 'package_request', 'versions')),
    ('Host information', ('facts', 'hardware', 'network_facts', 'directory')),
    ('Installing and uninstalling', ('installers', 'software', 'uninstall')),
    ('What an installer says of itself', ('binaries', 'msi')),
    ('PowerShell', ('powershell',)),
    ('Registry', ('windows_registry',)),
    ('Services', ('services',)),
    ('Scheduled tasks', ('tasks',)),
    ('Shortcuts', ('shortcuts',)),
    ('System folders', ('paths',)),
    ('Users and groups', ('users',)),
    ('Environment and file types', ('environment',)),
    ('Windows itself', ('windows_system',)),
    ('Package managers of Linux', ('linux',)),
    ('macOS', ('macos',)),
    ('For update_package()', ('developer',)),
    ('Errors', ('errors',)),
)
_HEAD = '''# setuphelpers

What `from setuphelpers import *` gives to the `setup.py` of a package. This page is written by
`make docs` from the code; a test fails when it is not what the code says.

A helper of another system raises `EWaptBadTargetOS`, which names the helper, the system it works
on and what to do instead. Parameters may be given by name. Paths that helpers know themselves lie
below the agent's root folder when it has one.

Beside the helpers a script finds, without importing them, the modules %(modules)s, and the names
that the agent puts in: `WAPT`, `control`, `params`, `basedir`, `force`, `language`, `user`,
`usergroups`, `persistent_dir`, `persistent_source_dir`, `uninstallkey`.

It can import the standard library, `requests` and `bs4` (with what they need), on Windows
`pywin32`, and the modules `waptpackage`, `waptutils`, `waptcrypto` and `common` with the names that
older scripts take from them. The machine's own Python modules are out of reach, so that a script
does the same on every machine.
'''


def chapters():
    """Returns [(title, {name: value})] of everything that the star import gives."""
    left = {name: getattr(setuphelpers, name) for name in setuphelpers.__all__}
    found = []
    for title, topics in CHAPTERS:
        modules = {'setuphelpers.' + topic for topic in topics}
        names = {}
        for name, value in list(left.items()):
            is_constant = 'windows_registry' in topics and name.startswith(
                ('HKEY_', 'KEY_', 'REG_'))
            if is_constant or callable(value) and value.__module__ in modules:
                names[name] = left.pop(name)
        found.append((title, names))
    return found, left


def signature(name, value):
    """Shows how a helper is called; defaults that are helpers or constants by their name."""
    if not callable(value) or inspect.isclass(value) and issubclass(value, Exception):
        return name
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # a kind of a builtin type
        return name
    shown = []
    for parameter in parameters:
        default = parameter.default
        if default is inspect.Parameter.empty:
            shown.append(str(parameter).split(':')[0])
        else:
            shown.append('%s=%s' % (parameter.name, _default(parameter.name, default)))
    return '%s(%s)' % (name, ', '.join(shown))


def _default(parameter, value):
    if callable(value):
        return value.__name__
    prefix = {'type': 'REG_', 'sam': 'KEY_'}.get(parameter)
    if prefix and isinstance(value, int):
        for name, number in vars(windows_registry).items():
            if name.startswith(prefix) and number == value:
                return name
    return repr(value)


def sentence(value):
    """Returns the first sentence of a helper's description, on one line."""
    text = ' '.join((inspect.getdoc(value) or '').split('\n\n')[0].split())
    end = text.find('. ')
    return text if end < 0 else text[:end + 1]


def systems(value):
    """Names the systems a helper works on."""
    return getattr(value, 'needs_system', None) or 'all'


def _table(names):
    rows = ['| helper | what it does | systems |', '|---|---|---|']
    for name, value in sorted(names.items(), key=lambda item: item[0].lower()):
        if not callable(value):
            continue
        described = sentence(value)
        if value.__name__ != name:
            described = 'Another name of `%s`.' % value.__name__
        rows.append('| `%s` | %s | %s |' % (
            signature(name, value).replace('|', '\\|'), described.replace('|', '\\|'),
            systems(value)))
    constants = sorted(name for name, value in names.items() if not callable(value))
    if constants:
        rows += ['', 'Constants: %s.' % ', '.join('`%s`' % name for name in constants)]
    return rows


def page():
    """Returns the whole text."""
    found, left = chapters()
    modules = sorted(name for name, value in left.items() if inspect.ismodule(value))
    paragraphs = (_HEAD % {'modules': ', '.join('`%s`' % name for name in modules)}).split('\n\n')
    lines = '\n\n'.join(textwrap.fill(paragraph, 100, break_long_words=False,
                                       break_on_hyphens=False)
                        for paragraph in paragraphs).splitlines()
    for title, names in found:
        lines += ['', '## ' + title, '', *_table(names)]
    others = {name: value for name, value in left.items() if name not in modules}
    lines += ['', '## Context', '', *_table({name: value for name, value in others.items()
                                             if callable(value) and inspect.isfunction(value)}),
              '', 'Objects: %s.' % ', '.join('`%s`' % name for name, value in sorted(others.items())
                                             if not inspect.isfunction(value))]
    return '\n'.join(lines) + '\n'


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[1], 'w', encoding='utf-8', newline='\n') as file:
        file.write(page())
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
