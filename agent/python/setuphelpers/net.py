"""Downloads over HTTP: to a file with resume and hash check, or as text."""

import json
import os
import re
import shutil
import time

from . import context
from .context import logger
from .errors import DownloadError
from .files import hash_file

USER_AGENT = 'muster/1'


def get_proxies():
    """Returns the proxies of the system as {'http': address, 'https': address}."""
    from .http_client import system_proxies
    return system_proxies()


def _headers(user_agent, referer):
    headers = {'User-Agent': user_agent or USER_AGENT}
    if referer:
        headers['Referer'] = referer
    return headers


def _file_name(url, response):
    """Names the download after the server's proposal or the address, never a folder."""
    from .http_client import path_name
    proposed = response.headers.get_filename() or ''
    if not proposed:
        proposed = path_name(response.url)
    name = re.sub(r'[\x00-\x1f<>:"|?*]', '_', re.split(r'[/\\]', proposed)[-1]).strip(' .')
    if not name:
        raise DownloadError('%s does not name a file: give wget() a target' % url)
    return name


def _check_hashes(path, url, expected):
    for algorithm, value in expected.items():
        if value and hash_file(path, algorithm) != value.strip().lower():
            found = hash_file(path, algorithm)
            os.unlink(path)
            raise DownloadError('%s of %s is %s, expected %s: the file was deleted'
                                % (algorithm, url, found, value))


def wget(url, target=None, printhook=None, proxies=None, connect_timeout=10,
         download_timeout=None, verify_cert=None, referer=None, user_agent=None, cert=None,
         resume=False, md5=None, sha1=None, sha256=None, cache_dir=None, limit_bandwidth=None):
    """Downloads an address and returns the path of the file.

    `target` is a file or a folder (default: the current one). `proxies` None takes
    the system's, {} goes directly. `printhook(received, total, speed, url)` is
    called as the download goes on. `limit_bandwidth` is in MB/s.
    """
    from .http_client import HTTPError, open_url, path_name
    expected = {'md5': md5, 'sha1': sha1, 'sha256': sha256}
    cached = None
    if cache_dir:
        name = os.path.basename(target) if target and not os.path.isdir(target) else \
            path_name(url)
        cached = os.path.join(cache_dir, name)
        strong = [kind for kind in ('sha256', 'sha1', 'md5') if expected[kind]]
        if strong and name and os.path.isfile(cached) and \
                hash_file(cached, strong[0]) == expected[strong[0]].strip().lower():
            path = _target_path(target, name)
            if os.path.abspath(path) != os.path.abspath(cached):
                shutil.copyfile(cached, path)
            return path
    headers = _headers(user_agent, referer)
    partial, done = None, 0
    if resume and target and not os.path.isdir(target) and os.path.isfile(target + '.part'):
        done = os.path.getsize(target + '.part')
        headers['Range'] = 'bytes=%d-' % done
    try:
        try:
            response = open_url(url, proxies, connect_timeout, verify_cert, cert, headers)
        except HTTPError as error:
            if error.code != 416 or not done:
                raise
            done = 0
            del headers['Range']
            response = open_url(url, proxies, connect_timeout, verify_cert, cert, headers)
        with response:
            path = _target_path(target, None if target and not os.path.isdir(target)
                                else _file_name(url, response))
            partial = path + '.part'
            if done and response.status != 206:
                done = 0
            _receive(response, url, partial, done, printhook, download_timeout, limit_bandwidth)
    except (OSError, ValueError) as error:
        raise DownloadError('cannot download %s: %s' % (url, error)) from error
    _check_hashes(partial, url, expected)
    os.replace(partial, path)
    if cached and os.path.abspath(cached) != os.path.abspath(path):
        os.makedirs(cache_dir, exist_ok=True)
        shutil.copyfile(path, cached)
    return path


def _target_path(target, name):
    if target is None:
        target = os.getcwd()
    return os.path.join(target, name) if os.path.isdir(target) else target


def _receive(response, url, partial, done, printhook, download_timeout, limit_bandwidth):
    length = response.headers.get('Content-Length')
    total = done + int(length) if length and length.isdigit() else None
    started, received, shown = time.monotonic(), 0, -1
    with open(partial, 'ab' if done else 'wb') as output:
        while True:
            block = response.read(1 << 16)
            if not block:
                break
            output.write(block)
            received += len(block)
            elapsed = time.monotonic() - started
            if download_timeout and elapsed > download_timeout:
                raise DownloadError('download of %s was stopped after %s s'
                                    % (url, download_timeout))
            if printhook is not None:
                printhook(done + received, total, received / max(elapsed, 1e-3), url)
            percent = (done + received) * 100 // total if total else None
            if percent is not None and percent != shown:
                shown = percent
                context.report_progress(percent, 'downloading %s' % url)
            if limit_bandwidth:
                ahead = received / (float(limit_bandwidth) * 1024 * 1024) - elapsed
                if ahead > 0:
                    time.sleep(ahead)
    if total is not None and done + received != total:
        raise DownloadError('%s ended after %d of %d bytes' % (url, done + received, total))
    logger.info('downloaded %s (%d bytes)', url, done + received)


def wgets(url, proxies=None, verify_cert=None, referer=None, user_agent=None, timeout=10,
          cert=None, as_json=False, encoding=None, connect_timeout=None):
    """Returns the text behind an address, or the parsed JSON."""
    data, charset = _fetch(url, proxies, connect_timeout or timeout, verify_cert, cert,
                           _headers(user_agent, referer))
    charset = encoding or charset or 'utf-8'
    text = data.decode(charset, errors='replace')
    return json.loads(text) if as_json else text


def wget_bytes(url, proxies=None, verify_cert=None, timeout=10):
    """Returns the bytes behind an address."""
    return _fetch(url, proxies, timeout, verify_cert, None, _headers(None, None))[0]


def _fetch(url, proxies, timeout, verify_cert, cert, headers):
    from .http_client import open_url
    try:
        with open_url(url, proxies, timeout, verify_cert, cert, headers) as response:
            return response.read(), response.headers.get_content_charset()
    except (OSError, ValueError) as error:
        raise DownloadError('cannot read %s: %s' % (url, error)) from error
