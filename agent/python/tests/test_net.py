"""Downloads, against a server of the test itself."""

import hashlib
import http.server
import os
import threading
import unittest

from support import FolderTest

from setuphelpers import developer, net
from setuphelpers.errors import EWaptInstallError

BODY = b'0123456789' * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        path = self.path.split('?')[0]
        if path == '/missing':
            self.send_error(404)
        elif path == '/moved':
            self.answer(b'', 302, Location='/tool.exe')
        elif path == '/named':
            self.answer(BODY, Content_Disposition='attachment; filename="../../evil name.exe"')
        elif path == '/short':
            self.send_response(200)
            self.send_header('Content-Length', '100')
            self.end_headers()
            self.wfile.write(b'x')
            self.close_connection = True
        elif path == '/page':
            self.answer('<a class="x big" href="/é.exe">é <b>1.2</b></a><br><a>no</a>'
                        .encode('latin-1'), Content_Type='text/html; charset=iso-8859-1')
        elif path == '/json':
            self.answer(b'{"tag_name": "v1"}')
        elif self.headers.get('Range'):
            start = int(self.headers['Range'][6:-1])
            if start >= len(BODY):
                self.send_error(416)
            else:
                self.answer(BODY[start:], 206)
        else:
            self.answer(BODY)

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class DownloadTest(FolderTest):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        cls.server.seen = []
        cls.thread = threading.Thread(target=cls.server.serve_forever, args=(0.01,))
        cls.thread.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.thread.join()
        cls.server.server_close()

    def url(self, path):
        return 'http://127.0.0.1:%d%s' % (self.server.server_address[1], path)

    def get(self, path, target=None, **options):
        return net.wget(self.url(path), target, proxies={}, **options)


class Download(DownloadTest):
    def test_a_file_is_saved_under_the_name_given(self):
        path = self.get('/tool.exe', self.path('mine.exe'), sha256=SHA256.upper())
        self.assertEqual(os.path.getsize(path), len(BODY))
        self.assertEqual(os.listdir(self.folder), ['mine.exe'])

    def test_a_folder_or_nothing_takes_the_name_of_the_address(self):
        self.assertEqual(self.get('/dir/tool%201.exe?x=1', self.folder),
                         self.path('tool 1.exe'))
        with self.inside():
            self.assertEqual(self.get('/moved'), self.path('tool.exe'))

    def test_a_proposed_name_cannot_leave_the_folder(self):
        self.assertEqual(self.get('/named', self.folder), self.path('evil name.exe'))

    def test_a_wrong_hash_leaves_no_file(self):
        with self.assertRaisesRegex(EWaptInstallError, 'sha256 of .* expected'):
            self.get('/tool.exe', self.path('a'), sha256='0' * 64)
        self.assertEqual(os.listdir(self.folder), [])

    def test_errors_name_the_address(self):
        for path in ('/missing', '/short'):
            with self.assertRaisesRegex(EWaptInstallError, path):
                self.get(path, self.path('a'))
            self.assertFalse(os.path.exists(self.path('a')))

    def test_only_http_is_fetched(self):
        for url in ('file:///etc/passwd', 'ftp://x/y', 'tool.exe'):
            with self.assertRaisesRegex(EWaptInstallError, 'only http'):
                net.wget(url, self.path('a'))

    def test_an_interrupted_download_goes_on_where_it_stopped(self):
        self.write('a.part', BODY[:4000])
        self.get('/tool.exe', self.path('a'), resume=True, sha256=SHA256)
        self.assertEqual(self.server.seen[-1][1]['Range'], 'bytes=4000-')

    def test_a_part_that_is_too_long_is_fetched_anew(self):
        self.write('a.part', BODY + b'x')
        self.get('/tool.exe', self.path('a'), resume=True, sha256=SHA256)

    def test_a_cached_file_with_the_right_hash_is_not_fetched(self):
        self.get('/tool.exe', self.path('one'), cache_dir=self.path('cache'), sha256=SHA256)
        before = len(self.server.seen)
        os.rename(self.path('cache', 'one'), self.path('cache', 'two'))
        self.get('/tool.exe', self.path('two'), cache_dir=self.path('cache'), sha256=SHA256)
        self.assertEqual(len(self.server.seen), before)
        self.assertTrue(os.path.isfile(self.path('two')))

    def test_progress_and_headers(self):
        seen = []
        self.get('/tool.exe', self.path('a'), referer='http://r/', user_agent='me',
                 printhook=lambda received, total, speed, url: seen.append((received, total)))
        self.assertEqual(seen[-1], (len(BODY), len(BODY)))
        headers = self.server.seen[-1][1]
        self.assertEqual((headers['Referer'], headers['User-Agent']), ('http://r/', 'me'))

    def test_a_proxy_gets_the_full_address(self):
        address = '127.0.0.1:%d' % self.server.server_address[1]
        net.wget('http://packages.invalid/tool.exe', self.path('a'), proxies={'http': address})
        self.assertEqual(self.server.seen[-1][0], 'http://packages.invalid/tool.exe')

    def test_text_is_decoded_and_json_parsed(self):
        self.assertIn('é', net.wgets(self.url('/page'), proxies={}))
        self.assertEqual(net.wgets(self.url('/json'), proxies={}, as_json=True),
                         {'tag_name': 'v1'})

    def test_elements_of_a_page_are_found(self):
        found = developer.bs_find_all(self.url('/page'), 'a', 'class', 'big', proxies={})
        self.assertEqual([(tag['href'], tag.text) for tag in found], [('/é.exe', 'é 1.2')])
        self.assertEqual(len(developer.bs_find_all(self.url('/page'), 'a', proxies={})), 2)
        self.assertIsNone(developer.bs_find(self.url('/page'), 'p', proxies={}))


class Sources(FolderTest):
    def test_outdated_installers_are_removed(self):
        for name in ('tool-1.0.exe', 'tool-1.1.exe', 'other-1.0.msi', 'setup.py', 'notes.txt'):
            self.write(name)
        with self.inside():
            self.assertEqual(developer.remove_outdated_binaries('1.1'),
                             ['other-1.0.msi', 'tool-1.0.exe'])
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ['notes.txt', 'setup.py', 'tool-1.1.exe'])


if __name__ == '__main__':
    unittest.main()
