# Something for each user: session_setup() runs at logon with the rights of the user, once for
# each user and version of the package.

from setuphelpers import *

uninstallkey = []


def user_file():
    # ~/.config on Linux, AppData\Roaming on Windows, of the user the hook runs as.
    return makepath(application_data, 'example-session', 'profile.ini')


def install():
    # Nothing for the machine itself.
    print('Each user gets a profile at the next logon')


def session_setup():
    if inifile_hasoption(user_file(), 'user', 'name'):
        # Belongs to the user by now: leave it alone.
        return
    mkdirs(os.path.dirname(user_file()))
    inifile_writestring(user_file(), 'user', 'name', user)
    # What is printed is kept with the status, as in install().
    print('%s written for %s' % (user_file(), user))
    # Any answer but None, 0, False and 'OK' means: try again at the next logon.
