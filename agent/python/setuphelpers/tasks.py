"""Scheduled tasks of Windows."""

import datetime
import os
import tempfile

from .errors import EWaptInstallError, needs_windows
from .powershell import quote_powershell, run_powershell
from .process import run

_ON_LINUX = ("on Linux put a file into under_root('/etc/cron.d') or a systemd timer into "
             "under_root('/etc/systemd/system')")


def task_xml(cmd, parameters, trigger, max_runtime_minutes, retry_count=0,
             retry_delay_minutes=1, delete_after=False):
    """Writes the definition of a task that runs as SYSTEM."""
    # Brings urllib along, which is not wanted at every start.
    from xml.sax.saxutils import escape
    retry = '' if not retry_count else (
        '<RestartOnFailure><Interval>PT%dM</Interval><Count>%d</Count></RestartOnFailure>'
        % (max(1, retry_delay_minutes), retry_count))
    delete = '<DeleteExpiredTaskAfter>PT0S</DeleteExpiredTaskAfter>' if delete_after else ''
    arguments = '<Arguments>%s</Arguments>' % escape(parameters) if parameters else ''
    return (
        '<?xml version="1.0" encoding="UTF-16"?>'
        '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">'
        '<Triggers>%s</Triggers>'
        '<Principals><Principal id="Author"><UserId>S-1-5-18</UserId>'
        '<RunLevel>HighestAvailable</RunLevel></Principal></Principals>'
        '<Settings><MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>'
        '<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>'
        '<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>'
        '<StartWhenAvailable>true</StartWhenAvailable>%s'
        '<ExecutionTimeLimit>PT%dM</ExecutionTimeLimit>%s</Settings>'
        '<Actions Context="Author"><Exec><Command>%s</Command>%s</Exec></Actions></Task>'
    ) % (trigger, delete, max_runtime_minutes, retry, escape(cmd), arguments)


def daily_trigger(first, repeat_minutes=None):
    """Writes a daily trigger, repeated within the day when asked."""
    repetition = '' if not repeat_minutes else (
        '<Repetition><Interval>PT%dM</Interval><Duration>P1D</Duration></Repetition>'
        % repeat_minutes)
    return ('<CalendarTrigger>%s<StartBoundary>%s</StartBoundary><ScheduleByDay>'
            '<DaysInterval>1</DaysInterval></ScheduleByDay></CalendarTrigger>'
            % (repetition, first.isoformat(timespec='seconds')))


def once_trigger(start, end):
    """Writes a trigger that fires once; the end lets Windows delete the task."""
    return ('<TimeTrigger><StartBoundary>%s</StartBoundary><EndBoundary>%s</EndBoundary>'
            '</TimeTrigger>' % (start.isoformat(timespec='seconds'),
                                end.isoformat(timespec='seconds')))


def _register(name, xml):
    handle, path = tempfile.mkstemp(suffix='.xml')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(xml.encode('utf-16'))
        run('schtasks /Create /F /TN "%s" /XML "%s"' % (name, path))
    finally:
        os.unlink(path)
    return name


@needs_windows(advice=_ON_LINUX)
def create_daily_task(name, cmd, parameters='', max_runtime=10, repeat_minutes=None,
                      start_hour=None, start_minute=None):
    """Creates a task that runs every day as SYSTEM; replaces one of the same name."""
    now = datetime.datetime.now()
    first = now.replace(hour=now.hour if start_hour is None else start_hour,
                        minute=now.minute if start_minute is None else start_minute,
                        second=0, microsecond=0)
    return _register(name, task_xml(cmd, parameters, daily_trigger(first, repeat_minutes),
                                    max_runtime))


@needs_windows(advice=_ON_LINUX)
def create_onetime_task(name, cmd, parameters='', delay_minutes=2, max_runtime=10, retry_count=3,
                        retry_delay_minutes=1):
    """Creates a task that runs once as SYSTEM, after a delay, and is then deleted."""
    start = datetime.datetime.now() + datetime.timedelta(minutes=delay_minutes)
    end = start + datetime.timedelta(days=1)
    return _register(name, task_xml(cmd, parameters, once_trigger(start, end), max_runtime,
                                    retry_count, retry_delay_minutes, delete_after=True))


@needs_windows(advice=_ON_LINUX)
def task_exists(name):
    """Tells whether a task exists."""
    return run('schtasks /Query /TN "%s"' % name, accept_returncodes=None).returncode == 0


@needs_windows(advice=_ON_LINUX)
def get_task(name):
    """Returns state and times of a task."""
    found = run_powershell('Get-ScheduledTask -TaskName %s | Select-Object TaskName,TaskPath,'
                           '@{n="State";e={"$($_.State)"}}' % quote_powershell(name))
    if not found:
        raise EWaptInstallError('there is no task %s' % name)
    return found


@needs_windows(advice=_ON_LINUX)
def get_all_scheduled_tasks():
    """Lists name, folder and state of all tasks."""
    found = run_powershell('Get-ScheduledTask | Select-Object TaskName,TaskPath,'
                           '@{n="State";e={"$($_.State)"}}')
    return found if isinstance(found, list) else [found] if found else []


@needs_windows(advice=_ON_LINUX)
def run_task(name):
    """Starts a task now."""
    return run('schtasks /Run /TN "%s"' % name)


@needs_windows(advice=_ON_LINUX)
def delete_task(name):
    """Deletes a task."""
    return run('schtasks /Delete /F /TN "%s"' % name)


@needs_windows(advice=_ON_LINUX)
def enable_task(name):
    """Lets a task run again."""
    return run('schtasks /Change /ENABLE /TN "%s"' % name)


@needs_windows(advice=_ON_LINUX)
def disable_task(name):
    """Keeps a task from running."""
    return run('schtasks /Change /DISABLE /TN "%s"' % name)
