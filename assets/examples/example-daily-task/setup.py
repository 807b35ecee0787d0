# A task that the machine runs every night: the Task Scheduler on Windows, cron on Linux.

from setuphelpers import *

uninstallkey = []

TASK = 'example-cleanup'
HOUR, MINUTE = 3, 30


def script_file():
    extension = '.cmd' if os.name == 'nt' else '.sh'
    return makepath(programfiles, 'example-daily-task', 'cleanup' + extension)


def cron_file():
    # common_application_data is /etc on Linux.
    return makepath(common_application_data, 'cron.d', TASK)


def install():
    mkdirs(os.path.dirname(script_file()))
    # Only the script for this system is copied.
    filecopyto(os.path.basename(script_file()), script_file())
    if os.name == 'nt':
        if task_exists(TASK):
            delete_task(TASK)
        create_daily_task(TASK, script_file(), '', max_runtime=60, start_hour=HOUR, start_minute=MINUTE)
    else:
        os.chmod(script_file(), 0o755)
        mkdirs(os.path.dirname(cron_file()))
        with open(cron_file(), 'w', encoding='utf-8') as file:
            # cron reads no line without its end.
            file.write('%d %d * * * root %s\n' % (MINUTE, HOUR, script_file()))
    print('%s runs every night at %02d:%02d' % (script_file(), HOUR, MINUTE))


def audit():
    is_planned = task_exists(TASK) if os.name == 'nt' else isfile(cron_file())
    if not (is_planned and isfile(script_file())):
        print('The nightly task is not in place any more')
        return 'ERROR'
    return 'OK'


def uninstall():
    if os.name == 'nt':
        if task_exists(TASK):
            delete_task(TASK)
    else:
        remove_file(cron_file())
    remove_tree(os.path.dirname(script_file()))
