# Sources that follow the releases of a software: `muster package update-sources DIR` runs
# update_package(), which looks for a newer version, downloads it and writes its number into
# WAPT/control. Then build, test, upload; a script of yours can do it every night.

import json

from setuphelpers import *

uninstallkey = []

# The publisher's list of releases: {"version": "1.4.2", "file": "example-1.4.2.txt", "sha256": "…"}
RELEASES = os.environ.get('EXAMPLE_RELEASES', 'https://releases.example/example/latest.json')


def file_in_package():
    found = glob.glob('example-*.txt')
    if not found:
        error('the program is not in the package: run `muster package update-sources` first')
    return found[0]


def target():
    return makepath(programfiles, 'example-download', 'example.txt')


def install():
    mkdirs(os.path.dirname(target()))
    filecopyto(file_in_package(), target())


def uninstall():
    remove_tree(os.path.dirname(target()))


def update_package():
    # Runs on the machine of the developer, in the folder of the sources, never on a managed
    # machine. A truthy answer says that something changed.
    release = json.loads(wgets(RELEASES, proxies=get_proxies()))
    version, name = release['version'], release['file']
    if Version(version) <= Version(control.version.split('-', 1)[0]) and isfile(name):
        print('%s is the newest version' % version)
        return False

    url = RELEASES.rsplit('/', 1)[0] + '/' + name
    # The sum comes over the same connection as the list: it protects against a broken download,
    # not against the publisher. Test what you sign: your signature is what machines trust.
    wget(url, name, sha256=release['sha256'], proxies=get_proxies())
    # Takes older downloads out of the sources.
    remove_outdated_binaries(version, list_extensions=['txt'])

    control.version = '%s-1' % version
    control.save_control_to_wapt()
    print('Updated to %s' % control.version)
    return True
