"""Helpers of update_package(): look at web pages, keep the newest installer."""

import os
import re

from . import context
from .errors import EWaptInstallError
from .files import remove_file
from .net import get_proxies, wgets
from .text import ensure_list

_INSTALLERS = ('.exe', '.msi', '.msu', '.zip', '.7z', '.deb', '.rpm', '.dmg', '.pkg')


def _settings_folder():
    """The folder where the console keeps a person's settings."""
    if os.environ.get('MUSTER_CONFIG_DIR'):
        return os.environ['MUSTER_CONFIG_DIR']
    if context.is_windows:
        return os.path.join(os.environ.get('APPDATA', ''), 'Muster')
    base = os.environ.get('XDG_CONFIG_HOME', '')
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser('~/.config'),
                        'muster')


def _proxy_of_console():
    """Reads `http_proxy` of console.toml: a line of its own before the first table."""
    path = os.path.join(_settings_folder(), 'console.toml')
    try:
        with open(path, encoding='utf-8') as file:
            top = file.read().split('\n[', 1)[0]
    except (FileNotFoundError, NotADirectoryError):
        return ''
    except (OSError, UnicodeDecodeError) as error:
        raise EWaptInstallError('cannot read %s: %s' % (path, error)) from error
    found = re.search(r'^\s*http_proxy\s*=\s*(["\'])(.*?)\1', top, re.MULTILINE)
    return found.group(2) if found else ''


def _proxy_of_predecessor():
    """Reads `http_proxy` of [global] in the waptconsole.ini of WAPT's own console."""
    import configparser
    base = os.environ.get('LOCALAPPDATA') or os.path.expanduser('~/.config')
    path = os.path.join(base, 'waptconsole', 'waptconsole.ini')
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError) as error:
        raise EWaptInstallError('cannot read %s: %s' % (path, error)) from error
    return parser.get('global', 'http_proxy', fallback='')


def get_proxies_from_wapt_console():
    """Returns the proxies of the console's settings, else those of the system.

    The settings are `http_proxy` in console.toml, or in [global] of a waptconsole.ini.
    """
    proxy = _proxy_of_console() or _proxy_of_predecessor()
    return {'http': proxy, 'https': proxy} if proxy else get_proxies()


def remove_outdated_binaries(version, list_extensions=None, list_filename_contain=None):
    """Deletes the installers of the current folder whose name does not hold the version.

    Returns the names that were deleted.
    """
    extensions = tuple(item if item.startswith('.') else '.' + item
                       for item in ensure_list(list_extensions)) or _INSTALLERS
    contain = ensure_list(list_filename_contain)
    removed = []
    for name in sorted(os.listdir('.')):
        if not os.path.isfile(name) or not name.lower().endswith(extensions):
            continue
        if str(version) in name:
            continue
        if contain and not any(word in name for word in contain):
            continue
        remove_file(name)
        removed.append(name)
    return removed


def _soup(page, features):
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise EWaptInstallError('this agent was built without the module bs4: %s'
                                % error) from error
    return BeautifulSoup(page, features)


def find_tags(page, element, attribute=None, value=None, features='html.parser'):
    """Lists the elements of an HTML text with a name and, if given, an attribute's value."""
    if attribute is None:
        return _soup(page, features).find_all(element)
    # For an attribute without value it is enough that the element has it.
    return _soup(page, features).find_all(element, {attribute: True if value is None else value})


def bs_find_all(url, element, attribute=None, value=None, user_agent=None, proxies=None,
                features='html.parser', **options):
    """Fetches a page and lists its elements, as BeautifulSoup has them: ['href'], .text, .find().

    `attribute` and `value` choose among them, such as 'class', 'download'; other keywords
    go to wgets().
    """
    page = wgets(url, user_agent=user_agent, proxies=proxies, **options)
    return find_tags(page, element, attribute, value, features)


def bs_find(url, element, attribute=None, value=None, user_agent=None, proxies=None,
            features='html.parser', **options):
    """Fetches a page and returns its first such element, or None."""
    found = bs_find_all(url, element, attribute, value, user_agent, proxies, features, **options)
    return found[0] if found else None
