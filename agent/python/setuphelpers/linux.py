"""Package managers of Linux distributions, and which distribution it is."""

import os
import shlex
import shutil

from . import context
from .errors import EWaptInstallError, needs_linux
from .process import run
from .text import ensure_list

_APT = 'DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confdef ' \
       '-o Dpkg::Options::=--force-confold'


def os_release():
    """Returns the fields of /etc/os-release."""
    for path in ('/etc/os-release', '/usr/lib/os-release'):
        try:
            with open(path, encoding='utf-8') as file:
                return parse_os_release(file.read())
        except OSError:
            continue
    return {}


def parse_os_release(text):
    """Reads NAME=value lines with shell quoting."""
    fields = {}
    for line in text.splitlines():
        name, mark, value = line.strip().partition('=')
        if mark and not name.startswith('#'):
            fields[name] = ''.join(shlex.split(value))
    return fields


def get_distrib_linux():
    """Names the distribution (debian, ubuntu, rhel, ...)."""
    return os_release().get('ID', 'unknown') if context.is_linux else 'unknown'


def get_distrib_version():
    """Returns the version of the distribution."""
    return os_release().get('VERSION_ID', '') if context.is_linux else ''


def _family(names):
    fields = os_release()
    known = {fields.get('ID', '')} | set(fields.get('ID_LIKE', '').split())
    return bool(known & names)


def type_debian():
    """Tells whether this is Debian or made from it; false on other systems."""
    return context.is_linux and (_family({'debian', 'ubuntu'}) or
                                 os.path.isfile('/etc/debian_version'))


def type_redhat():
    """Tells whether this is Red Hat, Fedora or made from them; false on other systems."""
    return context.is_linux and (_family({'rhel', 'fedora', 'centos'}) or
                                 os.path.isfile('/etc/redhat-release'))


def _need(program, family):
    if shutil.which(program) is None:
        raise EWaptInstallError('%s is not on this machine: the helper needs a %s system, test '
                                'it with type_debian() or type_redhat()' % (program, family))


def _names(packages):
    names = [name for item in ensure_list(packages) for name in str(item).split()]
    if not names:
        raise EWaptInstallError('no package was named')
    for name in names:
        if name.startswith('-'):
            raise EWaptInstallError('%s is not the name of a package' % name)
    return ' '.join(shlex.quote(name) for name in names)


def _apt(arguments):
    _need('apt-get', 'Debian')
    return run('%s %s' % (_APT, arguments), timeout=1800)


@needs_linux
def update_apt():
    """Refreshes the package lists."""
    return _apt('update')


@needs_linux
def upgrade_apt():
    """Upgrades all packages."""
    return _apt('upgrade')


@needs_linux
def install_apt(package, allow_unauthenticated=False):
    """Installs packages of the configured sources (name, list or 'a,b')."""
    return _apt('install %s%s' % ('--allow-unauthenticated ' if allow_unauthenticated else '',
                                  _names(package)))


@needs_linux
def uninstall_apt(package, autoremove=False):
    """Removes packages."""
    result = _apt('remove %s' % _names(package))
    if autoremove:
        autoremove_apt()
    return result


@needs_linux
def autoremove_apt():
    """Removes packages that nothing needs any longer."""
    return _apt('autoremove')


@needs_linux
def install_required_dependencies_apt():
    """Completes the dependencies of packages that are half installed."""
    return _apt('-f install')


@needs_linux
def install_deb(path_to_deb):
    """Installs .deb files with what they depend on."""
    paths = [_existing(path) for path in ensure_list(path_to_deb)]
    # apt takes a file only by a path with a slash.
    return _apt('install --allow-downgrades %s' % ' '.join(shlex.quote(path) for path in paths))


@needs_linux
def purge_deb(deb_name):
    """Removes packages with their settings."""
    return _apt('purge %s' % _names(deb_name))


def _existing(path):
    if not os.path.isfile(path):
        raise EWaptInstallError('%s is not in the package (current folder: %s)'
                                % (path, os.getcwd()))
    return os.path.abspath(path)


def _yum(arguments):
    program = 'dnf' if shutil.which('dnf') else 'yum'
    _need(program, 'Red Hat')
    return run('%s -y -q %s' % (program, arguments), timeout=1800)


@needs_linux
def update_yum():
    """Refreshes the package lists."""
    return _yum('makecache')


@needs_linux
def upgrade_yum():
    """Upgrades all packages."""
    return _yum('upgrade')


@needs_linux
def install_yum(package):
    """Installs packages of the configured sources (name, list or 'a,b')."""
    return _yum('install %s' % _names(package))


@needs_linux
def uninstall_yum(package):
    """Removes packages."""
    return _yum('remove %s' % _names(package))


@needs_linux
def autoremove_yum():
    """Removes packages that nothing needs any longer."""
    return _yum('autoremove')


@needs_linux
def install_rpm(package):
    """Installs .rpm files with what they depend on."""
    paths = ' '.join(shlex.quote(_existing(path)) for path in ensure_list(package))
    if shutil.which('dnf') or shutil.which('yum'):
        return _yum('install %s' % paths)
    _need('rpm', 'Red Hat')
    return run('rpm -U --replacepkgs %s' % paths)


#: Spellings of the vendor's templates and pages.
apt_install = install_apt
apt_remove = uninstall_apt
dpkg_install = install_deb
rpm_install = install_rpm
