# A program that is installed from a file inside the package.
#
# While install() runs, the unpacked package is the current folder: files beside this
# script are named without a path.

from setuphelpers import *

# Stays empty: the program is unpacked, the system's own list of software does not know it.
# Keys in this list are checked after install() and uninstalled at removal.
uninstallkey = []


def program_folder():
    # makepath() calls programfiles: /opt on Linux, Program Files on Windows, both below the
    # root of the agent, if it has one.
    return makepath(programfiles, 'demo-hello')


def greet():
    # A list of arguments needs no quoting. run() raises when the program fails or hangs.
    return run([makepath(program_folder(), 'usr', 'bin', 'hello')], timeout=30)


def install():
    if not isfile('hello.deb'):
        error('hello.deb is not in the package: put the Debian package of GNU hello there')

    # An upgrade starts from an empty folder, so that nothing of the old version stays.
    remove_tree(program_folder())
    mkdirs(program_folder())
    print('Unpacking GNU hello into %s' % program_folder())
    run(['dpkg-deb', '-x', 'hello.deb', program_folder()])

    # An installation that does not run is no installation.
    print('The program says: %s' % greet().strip())


def audit():
    # Runs from a stored copy of this script, without the other files of the package.
    try:
        greeting = greet()
    except Exception as reason:
        print('The program does not run: %s' % reason)
        return 'ERROR'
    if not greeting.strip():
        print('The program runs but says nothing')
        return 'WARNING'
    print('The program says: %s' % greeting.strip())
    return 'OK'


def uninstall():
    # A folder that is already gone is no error.
    remove_tree(program_folder())
