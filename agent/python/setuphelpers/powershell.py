"""PowerShell: commands in, objects or text out."""

import base64
import json
import os

from .errors import EWaptInstallError, needs_windows
from .process import run

_PROGRAM = 'powershell.exe -NoLogo -NonInteractive -NoProfile -ExecutionPolicy Bypass'


@needs_windows
def run_powershell(cmd, output_format='json', timeout=600, **options):
    """Runs PowerShell code; 'json' returns its objects as Python values, 'text' its output."""
    prefix = "$ProgressPreference='SilentlyContinue';" \
             '[Console]::OutputEncoding=[Text.Encoding]::UTF8;'
    if output_format == 'json':
        cmd = '%s& { %s } | ConvertTo-Json -Depth 4 -Compress' % (prefix, cmd)
    else:
        cmd = prefix + cmd
    encoded = base64.b64encode(cmd.encode('utf-16-le')).decode('ascii')
    output = run('%s -EncodedCommand %s' % (_PROGRAM, encoded), timeout=timeout,
                 return_stderr=output_format != 'json', **options)
    if output_format != 'json':
        return output
    if not output.strip():
        return None
    try:
        return json.loads(output)
    except ValueError as error:
        raise EWaptInstallError('PowerShell did not answer with JSON: %s' % output) from error


@needs_windows
def run_powershell_from_file(powershell_file, timeout=600, **options):
    """Runs a .ps1 file and returns its output."""
    if not os.path.isfile(powershell_file):
        raise EWaptInstallError('%s is not in the package (current folder: %s)'
                                % (powershell_file, os.getcwd()))
    return run('%s -File "%s"' % (_PROGRAM, os.path.abspath(powershell_file)), timeout=timeout,
               **options)


def quote_powershell(text):
    """Writes a text as a PowerShell literal."""
    return "'%s'" % str(text).replace("'", "''")


@needs_windows
def remove_metroapp(package):
    """Removes a store application for all users and for users to come."""
    name = quote_powershell(package)
    run_powershell('Get-AppxPackage -AllUsers -Name %s | Remove-AppxPackage -AllUsers' % name,
                   output_format='text')
    run_powershell('Get-AppxProvisionedPackage -Online | Where-Object DisplayName -eq %s | '
                   'Remove-AppxProvisionedPackage -Online' % name, output_format='text')


#: The same under the name that the word has today.
remove_appx = remove_metroapp
