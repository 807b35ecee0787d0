"""Downloads over HTTP: to a file with resume and hash check, or as text."""

import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from . import context
from .context import logger
from .errors import EWaptInstallError
from .files import hash_file

USER_AGENT = 'muster/1'


class DownloadError(EWaptInstallError):
    """A download failed or did not hold what was expected."""


def get_proxies():
    """Returns the proxies of the system as {'http': address, 'https': address}."""
    return {scheme: address for scheme, address in urllib.request.getproxies().items()
            if scheme in ('http', 'https', 'no')}


def _tls_context(verify_cert, cert):
    if verify_cert is False or verify_cert == '0':
        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    elif isinstance(verify_cert, str) and verify_cert not in ('', '1'):
        tls = ssl.create_default_context(
            cafile=verify_cert if os.path.isfile(verify_cert) else None,
            capath=verify_cert if os.path.isdir(verify_cert) else None)
    else:
        tls = ssl.create_default_context()
    if cert:
        tls.load_cert_chain(*([cert] if isinstance(cert, str) else cert))
    return tls


def _proxy_handler(proxies):
    if proxies is None:
        return urllib.request.ProxyHandler()
    chosen = {}
    for scheme, address in proxies.items():
        if address:
            scheme = scheme.replace('://', '')
            chosen[scheme] = address if '://' in address else 'http://' + address
    return urllib.request.ProxyHandler(chosen)


class _OnlyHttpRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.full_url.startswith('https:') and not newurl.startswith('https:'):
            raise DownloadError('%s redirects to an unprotected address: %s'
                                % (req.full_url, newurl))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url, proxies, timeout, verify_cert, cert, headers):
    if urllib.parse.urlsplit(url).scheme.lower() not in ('http', 'https'):
        raise DownloadError('cannot download %s: only http and https addresses are known' % url)
    opener = urllib.request.build_opener(
        _proxy_handler(proxies), _OnlyHttpRedirects(),
        urllib.request.HTTPSHandler(context=_tls_context(verify_cert, cert)))
    quoted = urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    return opener.open(urllib.request.Request(quoted, headers=headers), timeout=timeout)


def _headers(user_agent, referer):
    headers = {'User-Agent': user_agent or USER_AGENT}
    if referer:
        headers['Referer'] = referer
    return headers


def _file_name(url, response):
    """Names the download after the server's proposal or the address, never a folder."""
    proposed = response.headers.get_filename() or ''
    if not proposed:
        proposed = urllib.parse.unquote(urllib.parse.urlsplit(response.url).path)
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
    expected = {'md5': md5, 'sha1': sha1, 'sha256': sha256}
    cached = None
    if cache_dir:
        name = os.path.basename(target) if target and not os.path.isdir(target) else \
            urllib.parse.unquote(urllib.parse.urlsplit(url).path).split('/')[-1]
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
            response = _open(url, proxies, connect_timeout, verify_cert, cert, headers)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not done:
                raise
            done = 0
            del headers['Range']
            response = _open(url, proxies, connect_timeout, verify_cert, cert, headers)
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
    try:
        with _open(url, proxies, connect_timeout or timeout, verify_cert, cert,
                   _headers(user_agent, referer)) as response:
            data = response.read()
            charset = encoding or response.headers.get_content_charset() or 'utf-8'
    except (OSError, ValueError) as error:
        raise DownloadError('cannot read %s: %s' % (url, error)) from error
    text = data.decode(charset, errors='replace')
    return json.loads(text) if as_json else text
