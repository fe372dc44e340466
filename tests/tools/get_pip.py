"""Give a new virtual environment its pip, from the interpreter and the configured package index.

ansible-test downloads a script of this name from its makers' server, unless one is there already (tests/tools/sanity
puts this one there). It is called with the packages to install, such as pip==24.2, and with --no-setuptools or
--no-wheel.
"""

from __future__ import annotations

import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([sys.executable, "-m", "pip", "install", "--upgrade", *packages], check=True)
