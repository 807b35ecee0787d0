"""pywin32 as the agent carries it: unpacked, its folders on the search path."""

import glob
import json
import os
import shutil
import sys
import tempfile
import unittest
import zipfile

from support import PYTHON_DIR

from setuphelpers import run


class Carried(unittest.TestCase):
    def test_pywin32_reaches_windows(self):
        wheels = glob.glob(os.path.join(PYTHON_DIR, 'wheels', 'pywin32-*.whl'))
        self.assertTrue(wheels, 'make wheels-windows')
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        for name in ('muster_runner', 'setuphelpers'):
            # Wine 8 lacks the function of Windows that copies times too.
            shutil.copytree(os.path.join(PYTHON_DIR, name), os.path.join(folder, name),
                            copy_function=shutil.copyfile)
        shutil.copy(os.path.join(PYTHON_DIR, 'muster_run.py'), folder)
        with zipfile.ZipFile(wheels[0]) as archive:
            archive.extractall(os.path.join(folder, 'site-packages'))
        job = os.path.join(folder, 'job.json')
        with open(job, 'w', encoding='utf-8') as file:
            json.dump({'nonce': 'N', 'hook': 'audit', 'setup_py': (
                'import pythoncom, pywintypes, win32api, win32com.client, win32con, win32service\n'
                "def audit():\n    print('computer', win32api.GetComputerName())\n"
                "    return 'OK'\n")}, file)
        # Does not wait for services that Wine starts meanwhile and that hold the pipe.
        text = run([sys.executable, '-I', '-S', '-B', os.path.join(folder, 'muster_run.py'), job],
                   timeout=60)
        self.assertIn('"status":"OK"', text)
        self.assertIn('computer ', text)


if __name__ == '__main__':
    unittest.main()
