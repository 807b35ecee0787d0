# What several packages share goes into a package of its own, which they depend on.

from setuphelpers import *

uninstallkey = []

LIBRARY = '''# Functions for the demo tools; read with `. lib.sh`.
DEMO_LIB_VERSION=%(version)s

demo_say() {
    printf 'demo-lib %%s: %%s\\n' "$DEMO_LIB_VERSION" "$*"
}
'''


def library_folder():
    return makepath(programfiles, 'demo-lib')


def install():
    mkdirs(library_folder())
    # control describes this package; the part behind the dash is only the packaging.
    text = LIBRARY % {'version': control.get_software_version()}
    with open(makepath(library_folder(), 'lib.sh'), 'w', encoding='utf-8') as file:
        file.write(text)
    print('demo-lib %s is in %s' % (control.version, library_folder()))


def uninstall():
    remove_tree(library_folder())
