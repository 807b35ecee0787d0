"""Turns an exception of a script into the error that the agent stores and shows."""

import os
import re
import traceback

_PYTHON2_SYNTAX = (
    (r"Missing parentheses in call to 'print'",
     'print is a function in Python 3, write print(...)'),
    (r"Missing parentheses in call to 'exec'",
     'exec is a function in Python 3, write exec(...)'),
    (r'multiple exception types must be parenthesized',
     'write `except Error as name:` instead of `except Error, name:`'),
    (r'leading zeros in decimal integer literals', 'octal numbers start with 0o'),
    (r'inconsistent use of tabs', 'blocks must be indented with blanks or tabs, not both'),
    (r'TabError', 'blocks must be indented with blanks or tabs, not both'),
)
_PYTHON2_LINES = (
    (r'^\s*print\s+[^=(\s]', 'print is a function in Python 3, write print(...)'),
    (r'^\s*exec\s+[^=(\s]', 'exec is a function in Python 3, write exec(...)'),
    (r'^\s*except\s+[\w.]+\s*,\s*\w+\s*:',
     'write `except Error as name:` instead of `except Error, name:`'),
    (r'^\s*raise\s+[\w.]+\s*,', 'write `raise Error(message)` instead of `raise Error, message`'),
    (r'<>', 'write != instead of <>'),
    (r'`[^`]+`', 'write repr(value) instead of backquotes'),
    (r'\b\d+[lL]\b', 'numbers have no suffix L in Python 3'),
    (r"\b[uU][rR]['\"]", "texts have no prefix ur in Python 3, write r'...'"),
)
_PYTHON2_NAMES = {
    'unicode': 'str', 'basestring': 'str', 'unichr': 'chr', 'long': 'int', 'xrange': 'range',
    'raw_input': 'input', 'reduce': 'functools.reduce', 'execfile': 'exec(open(...).read())',
    'reload': 'importlib.reload', 'file': 'open', 'cmp': '(a > b) - (a < b)',
    'WindowsError': 'OSError',
}
_PYTHON2_MODULES = {
    '_winreg': 'winreg', 'urllib2': 'urllib.request', 'urlparse': 'urllib.parse',
    'ConfigParser': 'configparser', 'StringIO': 'io', 'cStringIO': 'io', 'Queue': 'queue',
    'cPickle': 'pickle', 'httplib': 'http.client', 'HTMLParser': 'html.parser',
    'Tkinter': 'tkinter', 'commands': 'subprocess', 'sets': 'set', 'thread': '_thread',
}
_WAPT_MODULES = ('waptlicences', 'waptguihelper', 'wapttools', 'waptkeys', 'waptservercommon',
                 'waptdevutils')
#: Modules that scripts bring along or replace.
_INSTEAD = {
    'BeautifulSoup': 'from bs4 import BeautifulSoup', 'distro': 'use get_distrib_linux() and '
    'get_distrib_version()', 'iniparse': 'use inifile_readstring() and inifile_writestring()',
    'pefile': 'use get_file_properties()', 'psutil': 'use find_processes() and killalltasks()',
    'active_directory': 'use get_domain_info() and get_computer_groups()',
    'six': 'only Python 3 runs scripts', 'html5lib': 'use features="html.parser"',
    'lxml': 'use features="html.parser", or xml.etree.ElementTree',
}
_PYWIN32 = ('pythoncom', 'pywintypes', 'win32api', 'win32com', 'win32con', 'win32file', 'win32net',
            'win32security', 'win32service', 'win32serviceutil', 'win32ts')
#: Names that the interactive interpreter has and scripts have not.
_INTERACTIVE = ('exit', 'quit')
_PYTHON2_METHODS = {'has_key': '`key in dictionary`', 'iteritems': '.items()',
                    'itervalues': '.values()', 'iterkeys': '.keys()',
                    'decode': 'nothing: texts are already decoded'}


def describe(error, files):
    """Returns the error of a result frame: type, message, line, traceback and status.

    `files` are the package's script and its update_package.py; the line is that of the
    first, and the message names it for the second.
    """
    filename = _script_file(error, files)
    line = _script_line(error, filename)
    message = _message(error)
    if filename != files[0]:
        message, line = '%s line %s: %s' % (os.path.basename(filename), line, message), None
    return {
        'type': type(error).__name__,
        'message': message,
        'line': line,
        'traceback': _traceback(error, filename),
        'install_status': str(getattr(error, 'install_status', None) or 'ERROR'),
        'grace_delay': getattr(error, 'grace_delay', None),
        'retry_count': getattr(error, 'retry_count', None),
    }


def _script_file(error, files):
    """Names the file that the error comes from: where it was raised last, else the script."""
    if isinstance(error, SyntaxError) and error.filename in files:
        return error.filename
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename in files]
    return names[-1] if names else files[0]


def _script_line(error, filename):
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename == filename]
    if lines:
        return lines[-1]
    return error.lineno if isinstance(error, SyntaxError) else None


def _message(error):
    if isinstance(error, SyntaxError):
        return _syntax_message(error)
    if isinstance(error, SystemExit):
        return ('the script called sys.exit(%s): a hook ends with return, or with error() when '
                'it failed' % ('' if error.code is None else error.code))
    if isinstance(error, KeyboardInterrupt):
        return 'the script was interrupted (KeyboardInterrupt)'
    if isinstance(error, EOFError) and 'reading a line' in str(error):
        return 'the script asked a question with input(): nobody can answer below the agent, ' \
               'use params and required_params'
    message = str(error) or type(error).__name__
    hint = _hint(error)
    return '%s (%s)' % (message, hint) if hint else message


def _syntax_message(error):
    source = (error.text or '').rstrip('\n')
    message = 'line %s: %s' % (error.lineno, error.msg)
    hint = _syntax_hint(error, source)
    if hint:
        message = 'line %s is Python 2 syntax: %s' % (error.lineno, hint)
    return '%s: %s' % (message, source.strip()) if source.strip() else message


def _syntax_hint(error, source):
    for pattern, hint in _PYTHON2_SYNTAX:
        if re.search(pattern, error.msg or '') or pattern == type(error).__name__:
            return hint
    for pattern, hint in _PYTHON2_LINES:
        if re.search(pattern, source):
            return hint
    return None


def _hint(error):
    """Says what a name of Python 2 or of WAPT's own modules is called today."""
    if isinstance(error, ModuleNotFoundError):
        if error.name in _PYTHON2_MODULES:
            return 'Python 2 name: import %s' % _PYTHON2_MODULES[error.name]
        if error.name in _WAPT_MODULES:
            return 'this module belongs to WAPT itself; Muster offers setuphelpers, common, ' \
                   'waptpackage, waptcrypto and waptutils'
        name = (error.name or '').partition('.')[0]
        if name in _INSTEAD:
            return _INSTEAD[name]
        if name in _PYWIN32:
            return 'pywin32 comes with Windows agents that run the Python of their installer'
        return 'only the standard library, requests, bs4 and the modules inside the package can ' \
               'be imported'
    if isinstance(error, NameError):
        name = getattr(error, 'name', None)
        if name in _PYTHON2_NAMES:
            return 'Python 2 name: use %s' % _PYTHON2_NAMES[name]
        if name in _INTERACTIVE:
            return 'a hook ends with return, or with error() when it failed'
    if isinstance(error, AttributeError):
        name = getattr(error, 'name', None)
        if name in _PYTHON2_METHODS:
            return 'Python 2 method: use %s' % _PYTHON2_METHODS[name]
    return None


def _traceback(error, filename):
    """Writes the traceback from the script's own first line on."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return ''.join(traceback.format_exception_only(type(error), error))
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != filename:
        frames = frames.tb_next
    return ''.join(traceback.format_exception(type(error), error,
                                              frames or error.__traceback__))
