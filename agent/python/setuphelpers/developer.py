"""Helpers of update_package(): look at web pages, keep the newest installer."""

import configparser
import html.parser
import os

from .errors import EWaptInstallError
from .files import remove_file
from .net import get_proxies, wgets
from .text import ensure_list

_INSTALLERS = ('.exe', '.msi', '.msu', '.zip', '.7z', '.deb', '.rpm', '.dmg', '.pkg')


def get_proxies_from_wapt_console():
    """Returns the proxies of the console's settings, else those of the system.

    The section [global] of the console's ini file names `http_proxy`.
    """
    base = os.environ.get('LOCALAPPDATA') or os.path.expanduser('~/.config')
    for folder in ('waptconsole', 'muster'):
        path = os.path.join(base, folder, 'waptconsole.ini')
        parser = configparser.RawConfigParser(strict=False)
        try:
            found = parser.read(path, encoding='utf-8')
        except (configparser.Error, UnicodeDecodeError) as error:
            raise EWaptInstallError('cannot read %s: %s' % (path, error)) from error
        proxy = parser.get('global', 'http_proxy', fallback='') if found else ''
        if proxy:
            return {'http': proxy, 'https': proxy}
    return get_proxies()


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


class Tag:
    """An element of a page: `name`, `attrs`, `text`, and its attributes by index."""

    def __init__(self, name, attrs):
        self.name, self.attrs, self._text = name, dict(attrs), []

    @property
    def text(self):
        return ''.join(self._text)

    string = text

    def get_text(self):
        return self.text

    def get(self, name, default=None):
        return self.attrs.get(name, default)

    def __getitem__(self, name):
        return self.attrs[name]

    def __repr__(self):
        return '<%s %r>' % (self.name, self.attrs)


class _Collector(html.parser.HTMLParser):
    _VOID = frozenset('area base br col embed hr img input link meta source track wbr'.split())

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attrs):
        found = Tag(tag, attrs)
        self.tags.append(found)
        if tag not in self._VOID:
            self.open.append(found)

    def handle_endtag(self, tag):
        for number in range(len(self.open) - 1, -1, -1):
            if self.open[number].name == tag:
                del self.open[number:]
                return

    def handle_data(self, data):
        for tag in self.open:
            tag._text.append(data)


def find_tags(page, element, attribute=None, value=None):
    """Lists the elements of an HTML text with a name and, if given, an attribute's value.

    For `class`, one of the classes is enough.
    """
    collector = _Collector()
    collector.feed(page)
    collector.close()

    def suits(tag):
        if tag.name != element.lower():
            return False
        if attribute is None:
            return True
        found = tag.get(attribute)
        if found is None:
            return False
        return value is None or found == value or (attribute == 'class' and
                                                   value in found.split())
    return [tag for tag in collector.tags if suits(tag)]


def bs_find_all(url, element, attribute=None, value=None, user_agent=None, proxies=None,
                **options):
    """Fetches a page and lists its elements, each with ['href'], .get(), .text."""
    return find_tags(wgets(url, user_agent=user_agent, proxies=proxies, **options), element,
                     attribute, value)


def bs_find(url, element, attribute=None, value=None, user_agent=None, proxies=None, **options):
    """Fetches a page and returns its first such element, or None."""
    found = bs_find_all(url, element, attribute, value, user_agent, proxies, **options)
    return found[0] if found else None
