"""Dates as the text forms that packages use."""

import datetime
import os


def currentdate():
    """Returns today as YYYYMMDD."""
    return datetime.datetime.now().strftime('%Y%m%d')


def currentdatetime():
    """Returns the local time as YYYYMMDD-HHMMSS."""
    return datetime.datetime.now().strftime('%Y%m%d-%H%M%S')


def datetime2isodate(adatetime=None):
    """Writes a datetime (by default the present one) in ISO form."""
    return (adatetime or datetime.datetime.now()).isoformat()


def isodate2datetime(isodatestr):
    """Reads an ISO date; a fraction of a second is dropped, a time zone is kept."""
    return datetime.datetime.fromisoformat(isodatestr.strip()).replace(microsecond=0)


def httpdatetime2datetime(httpdate):
    """Reads the date form of HTTP headers; None when it is not one."""
    import email.utils
    try:
        return email.utils.parsedate_to_datetime(httpdate)
    except (TypeError, ValueError):
        return None


def httpdatetime2isodate(httpdate):
    """Turns an HTTP date into an ISO one in UTC; '' when it is not a date."""
    moment = httpdatetime2datetime(httpdate)
    return '' if moment is None else moment.isoformat()


def fileisodate(filename):
    """Returns the modification time of a file in ISO form."""
    return datetime.datetime.fromtimestamp(os.stat(filename).st_mtime).isoformat()


def dateof(adatetime):
    """Returns the day of a datetime, at midnight."""
    return adatetime.replace(hour=0, minute=0, second=0, microsecond=0)


def time2display(adatetime):
    """Shows a datetime as 'YYYY-MM-DD HH:MM'."""
    return adatetime.strftime('%Y-%m-%d %H:%M')


def hours_minutes(hours):
    """Shows a number of hours as 'HH:MM'; None stays None."""
    if hours is None:
        return None
    minutes = round(abs(float(hours)) * 60)
    return '%s%02d:%02d' % ('-' if float(hours) < 0 else '', minutes // 60, minutes % 60)
