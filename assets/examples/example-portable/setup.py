# A program without an installer: a folder that is copied to the machine. The same script for
# Windows and Linux.

from setuphelpers import *

uninstallkey = []

NAME = 'Example Portable'


def folder():
    # Program Files on Windows, /opt on Linux. Path helpers may be given to makepath() uncalled.
    return makepath(programfiles, 'example-portable')


def installed_version():
    version_file = makepath(folder(), 'version.txt')
    if not isfile(version_file):
        return None
    with open(version_file, encoding='utf-8') as file:
        return file.read().strip()


def install():
    # The folder of the package is the current folder: 'program' is beside this script.
    # Files of an older version that the new one does not have must not stay.
    remove_tree(folder())
    copytree2('program', folder(), onreplace=default_overwrite)
    with open(makepath(folder(), 'version.txt'), 'w', encoding='utf-8') as file:
        file.write(control.version.split('-', 1)[0])

    if os.name == 'nt':
        # In the start menu of everybody, and in the list of installed software, so that the
        # inventory and the next technician find it.
        create_programs_menu_shortcut(NAME, target=makepath(folder(), 'start.cmd'))
        register_uninstall('example-portable', 'cmd /c rmdir /s /q "%s"' % folder(), win64app=True,
                           display_name=NAME, display_version=control.version, publisher='Example')
    else:
        os.chmod(makepath(folder(), 'start.sh'), 0o755)


def audit():
    found = installed_version()
    wanted = control.version.split('-', 1)[0]
    if found != wanted:
        print('%s: found %s, expected %s' % (NAME, found, wanted))
        return 'ERROR'
    return 'OK'


def uninstall():
    if os.name == 'nt':
        remove_programs_menu_shortcut(NAME)
        unregister_uninstall('example-portable', win64app=True)
    remove_tree(folder())
