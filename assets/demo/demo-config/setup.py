# A package without a program: it sets something and watches that it stays set.

from setuphelpers import *

uninstallkey = []

# Kept here and not in a file of the package: audit() and session_setup() run later, from a
# stored copy of this script, when the other files are no longer there.
SECTION = 'desktop'
WANTED = {
    'wallpaper': 'blue',
    'lock_after_minutes': '10',
}


def settings_file():
    # /etc on Linux, ProgramData on Windows.
    return makepath(common_application_data, 'demo-config', 'settings.ini')


def user_file():
    # ~/.config on Linux, AppData\Roaming on Windows, of the user the hook runs as.
    return makepath(application_data, 'demo-config', 'user.ini')


def install():
    mkdirs(os.path.dirname(settings_file()))
    for key, value in WANTED.items():
        # Other settings and comments of the file are left alone.
        inifile_writestring(settings_file(), SECTION, key, value)
    print('Settings written to %s' % settings_file())


def audit():
    # 'OK', 'WARNING' or 'ERROR'; what is printed explains it in the console.
    if not isfile(settings_file()):
        print('%s is missing' % settings_file())
        return 'ERROR'
    status = 'OK'
    for key, value in WANTED.items():
        found = inifile_readstring(settings_file(), SECTION, key)
        if found != value:
            print('%s is %s, expected %s' % (key, found, value))
            status = 'WARNING'
    return status


def session_setup():
    # Once for each user and version, with the rights of the user.
    if not isfile(user_file()):
        mkdirs(os.path.dirname(user_file()))
        inifile_writestring(user_file(), SECTION, 'welcome', 'Hello %s' % user)
        print('%s written' % user_file())


def uninstall():
    # Only what the package brought: files of the users stay with the users.
    remove_tree(os.path.dirname(settings_file()))
