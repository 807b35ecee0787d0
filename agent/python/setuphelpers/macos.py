"""Applications, installer packages and disk images of macOS, through its own tools."""

import contextlib
import os
import shutil
import subprocess

from .context import logger
from .errors import CommandError, EWaptInstallError, needs_macos
from .files import remove_tree
from .process import run
from .versions import Version

_APPLICATIONS = '/Applications'


def parse_plist(data):
    """Reads a property list, XML or binary; a tool's empty answer is an empty one."""
    import plistlib
    if not data.strip():
        return {}
    try:
        return plistlib.loads(data)
    except (plistlib.InvalidFileException, ValueError, OverflowError) as error:
        raise EWaptInstallError('not a property list: %s' % error) from error


def _plist_of(*command):
    """Runs a tool that answers with a property list."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600,
                          check=False)
    if done.returncode != 0:
        raise CommandError(done.returncode, list(command),
                           done.stderr.decode('utf-8', 'replace'))
    return parse_plist(done.stdout)


def _name(name):
    if not name or name.startswith('-'):
        raise EWaptInstallError('%r is not the name of a package' % name)
    return name


def _existing(path):
    if not os.path.exists(path):
        raise EWaptInstallError('%s is not in the package (current folder: %s)'
                                % (path, os.getcwd()))
    return os.path.abspath(path)


@needs_macos
def get_plist_obj(plist_file):
    """Returns the content of a property list file."""
    with open(plist_file, 'rb') as file:
        return parse_plist(file.read())


def get_info_plist_path(app_dir):
    """Returns where an application folder keeps its description (Contents/Info.plist)."""
    return os.path.join(app_dir, 'Contents', 'Info.plist')


@needs_macos
def get_applications_info_files():
    """Lists the description files of the applications in /Applications."""
    return [get_info_plist_path(path) for path in _applications(_APPLICATIONS)
            if os.path.isfile(get_info_plist_path(path))]


def _applications(folder):
    """Lists the application folders of a folder and of the folders directly in it."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.endswith('.app'):
            found.append(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(PermissionError):
                found += sorted(inner.path for inner in os.scandir(entry.path)
                                if inner.name.endswith('.app'))
    return found


def _app_version(app_dir):
    info = get_plist_obj(get_info_plist_path(app_dir))
    return str(info.get('CFBundleShortVersionString') or info.get('CFBundleVersion') or '')


@needs_macos
def is_local_app_installed(appdir, check_version=None):
    """Tells whether the application of this name is in /Applications; with check_version not
    older than the given one."""
    installed = os.path.join(_APPLICATIONS, os.path.basename(appdir.rstrip('/')))
    if not os.path.isdir(installed):
        return False
    return not check_version or \
        Version(_app_version(installed)) >= Version(_app_version(appdir))


@needs_macos
def install_app(app_dir):
    """Copies an application folder to /Applications, in place of an older one."""
    source = _existing(app_dir.rstrip('/'))
    target = os.path.join(_APPLICATIONS, os.path.basename(source))
    # ditto keeps signatures, extended attributes and links.
    fresh = target + '.new'
    remove_tree(fresh)
    run(['ditto', source, fresh])
    remove_tree(target)
    os.rename(fresh, target)
    return target


@needs_macos
def uninstall_app(app_name):
    """Deletes an application of /Applications; one that is missing is fine."""
    name = app_name if app_name.endswith('.app') else app_name + '.app'
    if os.path.basename(name) != name:
        raise EWaptInstallError('%s must be the name of an application, not a path' % app_name)
    remove_tree(os.path.join(_APPLICATIONS, name))


@needs_macos
def get_installed_pkgs():
    """Lists the identifiers of the installed packages."""
    return run(['pkgutil', '--pkgs']).split()


@needs_macos
def get_pkg_info(pkg_id):
    """Returns what the system knows of an installed package (pkgid, pkg-version, volume, ...)."""
    return _plist_of('pkgutil', '--pkg-info-plist', _name(pkg_id))


def _packages_of(path):
    """Lists {identifier: version} of what a package file installs."""
    import tempfile
    import xml.etree.ElementTree as xml
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        expanded = os.path.join(folder, 'expanded')
        run(['pkgutil', '--expand', path, expanded])
        for place, _, names in os.walk(expanded):
            if 'PackageInfo' in names:
                info = xml.parse(os.path.join(place, 'PackageInfo')).getroot()
                if info.get('identifier'):
                    found[info.get('identifier')] = info.get('version') or ''
    return found


@needs_macos
def is_local_pkg_installed(pkg_path, check_version=None):
    """Tells whether all that a package file brings is installed; with check_version not
    older than in the file."""
    wanted = _packages_of(_existing(pkg_path))
    installed = set(get_installed_pkgs())
    if not wanted or not installed.issuperset(wanted):
        return False
    return not check_version or all(
        Version(str(get_pkg_info(name).get('pkg-version', ''))) >= Version(version)
        for name, version in wanted.items())


@needs_macos
def install_pkg(path_to_pkg):
    """Installs a .pkg or .mpkg file for all users."""
    return run(['installer', '-package', _existing(path_to_pkg), '-target', '/'], timeout=1800)


@needs_macos
def uninstall_pkg(pkg_name):
    """Deletes the files of an installed package and forgets it."""
    info = get_pkg_info(pkg_name)
    base = os.path.join(info.get('volume') or '/', info.get('install-location') or '')
    for kind in ('--only-files', '--only-dirs'):
        names = run(['pkgutil', kind, '--files', pkg_name]).splitlines()
        # The longest first, so that a folder is empty when its turn comes.
        for name in sorted(names, key=len, reverse=True):
            _delete_if_possible(os.path.join(base, name))
    return run(['pkgutil', '--forget', pkg_name])


def _delete_if_possible(path):
    """Deletes a file, or a folder when nothing else is in it."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError as error:
        logger.debug('%s stays: %s', path, error)


@needs_macos
def mount_dmg(dmg_path):
    """Mounts a disk image, not shown in Finder, and returns the folder."""
    answer = _plist_of('hdiutil', 'attach', '-plist', '-nobrowse', '-readonly', '-noverify',
                       _existing(dmg_path))
    folder = mount_point(answer)
    if folder is None:
        raise EWaptInstallError('%s holds nothing that can be mounted' % dmg_path)
    return folder


def mount_point(answer):
    """Finds the mounted folder in what `hdiutil attach -plist` answers."""
    for entity in answer.get('system-entities', []):
        if entity.get('mount-point'):
            return entity['mount-point']
    return None


@needs_macos
def unmount_dmg(dmg_mount_path):
    """Takes a mounted disk image away."""
    return run(['hdiutil', 'detach', dmg_mount_path, '-force'])


@contextlib.contextmanager
def _mounted(dmg_path):
    folder = mount_dmg(dmg_path)
    try:
        yield folder
    finally:
        unmount_dmg(folder)


def _contents(folder):
    """Lists (applications, packages) of a mounted image."""
    names = sorted(os.listdir(folder))
    return ([os.path.join(folder, name) for name in names if name.endswith('.app')],
            [os.path.join(folder, name) for name in names if name.endswith(('.pkg', '.mpkg'))])


@needs_macos
def is_dmg_installed(dmg_path, check_version=None):
    """Tells whether everything in a disk image is installed already."""
    with _mounted(dmg_path) as folder:
        applications, packages = _contents(folder)
        return bool(applications or packages) and all(
            is_local_app_installed(path, check_version) for path in applications) and all(
            is_local_pkg_installed(path, check_version) for path in packages)


@needs_macos
def install_dmg(dmg_path, check_version=None):
    """Installs the applications and packages of a disk image.

    With check_version what is there in the same or a newer version is left as it is.
    """
    with _mounted(dmg_path) as folder:
        applications, packages = _contents(folder)
        if not (applications or packages):
            raise EWaptInstallError('%s holds neither an application nor a package: %s' % (
                dmg_path, ', '.join(sorted(os.listdir(folder)))))
        for path in applications:
            if not (check_version and is_local_app_installed(path, check_version)):
                install_app(path)
        for path in packages:
            if not (check_version and is_local_pkg_installed(path, check_version)):
                install_pkg(path)


@needs_macos
def brew_install(pkg_name):
    """Installs a Homebrew package."""
    return _brew('install', pkg_name)


@needs_macos
def brew_uninstall(pkg_name):
    """Removes a Homebrew package."""
    return _brew('uninstall', pkg_name)


def _brew(action, package):
    """Homebrew refuses to run as root: it runs as the owner of its folder."""
    program = shutil.which('brew') or next(
        (path for path in ('/opt/homebrew/bin/brew', '/usr/local/bin/brew')
         if os.path.isfile(path)), None)
    if program is None:
        raise EWaptInstallError('brew is not on this machine: install Homebrew first')
    command = [program, action, _name(package)]
    owner = os.stat(os.path.realpath(program)).st_uid
    if os.geteuid() == 0 and owner != 0:
        command = ['sudo', '-u', '#%d' % owner, '-H', *command]
    return run(command, timeout=1800)


@needs_macos
def system_profiler_info(data_type='SPHardwareDataType'):
    """Returns the first entry of a section of the system's own report."""
    answer = _plist_of('system_profiler', '-xml', data_type)
    items = answer[0].get('_items', []) if answer else []
    return items[0] if items else {}


@needs_macos
def list_applications():
    """Lists (name, version, identifier, folder) of the applications in /Applications."""
    found = []
    for path in get_applications_info_files():
        try:
            info = get_plist_obj(path)
        except (EWaptInstallError, OSError) as error:
            logger.debug('%s: %s', path, error)
            continue
        folder = os.path.dirname(os.path.dirname(path))
        name = info.get('CFBundleName') or os.path.basename(folder)[:-len('.app')]
        version = info.get('CFBundleShortVersionString') or info.get('CFBundleVersion') or ''
        found.append((str(name), str(version), str(info.get('CFBundleIdentifier') or name),
                      folder))
    return found
