# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe's last phases: commands run, with their redirections, pipes, loops and conditions."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from .. import launch, paths
from ..errors import Win32Error
from ..filesystem import File
from ..lifeline import Killed, Lifeline
from ..process import Process, Program
from ..stdin import Stdin, empty_stdin
from ..streams import NullSink, PipeSink, Sink
from . import expansion
from .builtins import BUILTINS
from .common import CmdExit, FileSink, Handles
from .conditions import holds
from .loops import LOOPS
from .nodes import Block, If, Node, Redirection, Sequence, Simple
from .parser import ParseError, parse, split_name
from .variables import COMPUTED

LONGEST_LINE = 8191
NOT_RECOGNIZED = 9009
"""%ERRORLEVEL% after an unknown command; the command itself returns 1, and so does ``cmd /c`` [field]."""
_BUILTIN_TOKEN = re.compile(r"([A-Za-z]+)([./\\:\[\]+(].*)?$", re.DOTALL)


class Interpreter:
    """One running cmd.exe."""

    def __init__(self, process: Process, *, delayed: bool = False, echo: bool = True) -> None:
        self.process: Process = process
        self.delayed = delayed
        self.echo = echo
        self.errorlevel: int = 0
        self.loop_values: dict[str, str] = {}
        self.directory_stack: list[str] = []
        self.drive_directories: dict[str, str] = {}

    # Lines

    def execute_line(self, line: str) -> int:
        """Run one line: expand, parse, execute; the return code of its last command."""
        return self.execute_again(line, self.process)

    def execute_again(self, line: str, io: Process) -> int:
        """Run a line with the handles of a command, as ``call`` does."""
        expanded = expansion.expand_percent(line, self.variable)
        if len(expanded) > LONGEST_LINE:
            io.complain("The input line is too long.")
            return 1
        try:
            node = parse(expanded)
        except ParseError as error:
            io.complain(str(error))
            self.errorlevel = 1
            return 1
        return 0 if node is None else self.execute(node, Handles(io.stdin, {1: io.stdout, 2: io.stderr}))

    def variable(self, name: str) -> str | None:
        """An environment variable, or one that cmd.exe computes."""
        value = self.process.env.get(name)
        if value is not None:
            return value
        compute = COMPUTED.get(name.upper())
        return compute(self) if compute else None

    def prompt(self) -> str:
        """``$P$G``."""
        return self.process.cwd + ">"

    # Nodes

    def execute(self, node: Node, handles: Handles) -> int:
        """Run a command of any kind; its return code."""
        self.process.lifeline.check()
        if isinstance(node, Sequence):
            return self._sequence(node, handles)
        try:
            inner = self._redirected(node.redirections, handles)
        except Win32Error as error:
            self._io(handles).complain(error.text)
            self.errorlevel = 1
            return 1
        if isinstance(node, Simple):
            return self._simple(node, inner)
        if isinstance(node, Block):
            return self.execute(node.body, inner)
        if isinstance(node, If):
            return self._if(node, inner)
        return LOOPS[node.kind](self, node, inner)

    def _sequence(self, node: Sequence, handles: Handles) -> int:
        if node.operator == "|":
            return self._pipe(node, handles)
        code = self.execute(node.left, handles)
        if node.operator == "||" and code:
            self.errorlevel = code if self.errorlevel == 0 else self.errorlevel
        if (node.operator == "&&" and code) or (node.operator == "||" and not code):
            return code
        return self.execute(node.right, handles)

    def _if(self, node: If, handles: Handles) -> int:
        left, right = (self.expand(text) for text in (node.left, node.right))
        try:
            met = holds(self, replace(node, left=left, right=right))
        except ValueError:
            self._io(handles).complain(f"{right} was unexpected at this time.")
            return 1
        if met != node.negated:
            return self.execute(node.then, handles)
        return self.execute(node.otherwise, handles) if node.otherwise else 0

    def expand(self, text: str) -> str:
        """What is left to expand when a command runs: loop variables, then ``!NAME!``."""
        text = expansion.expand_loop(text, self.loop_values, self._loop_paths())
        return expansion.expand_delayed(text, self.variable) if self.delayed else text

    def _loop_paths(self) -> expansion.LoopPaths:
        files = self.process.files
        return expansion.LoopPaths(files.absolute, lambda path: self._on_file_system(path, "short"), self._details)

    def _on_file_system(self, path: str, kind: str) -> str:
        files, local = self.process.files.locate(path)
        return files.short_path(local) if kind == "short" else files.long_path(local)

    def _details(self, path: str) -> Mapping[str, str]:
        node = self.process.files.lookup(path)
        if node is None:
            return {}
        stamp = time.strftime("%m/%d/%Y %I:%M %p", time.localtime(node.modified))
        return {"t": stamp, "z": str(len(node.data)) if isinstance(node, File) else "0", "a": ""}

    # Redirection and pipes

    def _redirected(self, redirections: list[Redirection], handles: Handles) -> Handles:
        stdin, outputs = handles.stdin, dict(handles.outputs)
        for item in redirections:
            if item.operator == ">&":
                outputs[item.handle] = outputs.get(int(item.target)) or NullSink()
            elif item.operator == "<":
                stdin = self._input_file(self.expand(item.target).replace('"', ""))
            elif item.operator in (">", ">>"):
                outputs[item.handle] = self._output_file(
                    self.expand(item.target).replace('"', ""), item.operator == ">>"
                )
        return Handles(stdin, outputs)

    def _input_file(self, path: str) -> Stdin:
        if paths.is_device(path):
            return empty_stdin()
        try:
            data = self.process.files.read(path)
        except Win32Error as error:
            raise Win32Error(2 if error.code == 5 and self.process.files.is_dir(path) else error.code, path) from error
        stdin = Stdin(encoding=self.process.codepage, lifeline=self.process.lifeline)
        stdin.feed(data, end=True)
        return stdin

    def _output_file(self, path: str, append: bool) -> Sink:
        if paths.is_device(path):
            return NullSink()
        files = self.process.files
        try:
            files.write(path, b"", append=append)
        except Win32Error as error:
            raise Win32Error(123 if paths.has_wildcard(path) else error.code, path) from error
        return FileSink(files, files.absolute(path))

    def _pipe(self, node: Sequence, handles: Handles) -> int:
        """Both sides at the same time; the right one's return code counts."""
        between = Stdin(encoding=self.process.codepage, lifeline=self.process.lifeline)
        left = Handles(handles.stdin, {**handles.outputs, 1: PipeSink(between)})
        right = Handles(between, handles.outputs)

        def run_left() -> None:
            try:
                self._pipe_side(node.left, left)
            except Killed:
                return
            finally:
                between.feed(b"", end=True)

        thread = threading.Thread(target=run_left, daemon=True, name="pipe")
        thread.start()
        self.errorlevel = self._pipe_side(node.right, right)
        while thread.is_alive():
            self.process.lifeline.check()
            thread.join(0.05)
        return self.errorlevel

    def _pipe_side(self, node: Node, handles: Handles) -> int:
        """A program is started as it is; anything else is handed as text to a new ``cmd /S /D /c`` (without ``/V:ON``)."""
        if isinstance(node, Sequence) and node.operator == "|":
            return self._pipe(node, handles)
        if isinstance(node, Simple):
            line = self.expand(node.name + node.arguments)
            if self._builtin(line) is None:
                return Interpreter(self._twin(handles))._external(line, self._redirected(node.redirections, handles))
            text = line + "".join(item.text() for item in node.redirections)
        else:
            text = expansion.expand_loop(node.text(), self.loop_values, self._loop_paths())
        side = Interpreter(self._twin(handles), echo=self.echo)
        try:
            return side.execute_line(text)
        except CmdExit as end:
            return end.code

    def _twin(self, handles: Handles) -> Process:
        """The process of the cmd.exe that runs one side of a pipe."""
        lifeline = Lifeline(self.process.lifeline)
        io = self._io(handles)
        return replace(io, env=io.env.copy(), lifeline=lifeline, stdin=handles.stdin.bound_to(lifeline))

    def _io(self, handles: Handles) -> Process:
        """This cmd.exe with the handles of a command."""
        stdin = handles.stdin.bound_to(self.process.lifeline)
        return replace(self.process, stdin=stdin, stdout=handles.output(1), stderr=handles.output(2))

    # Simple commands

    def _simple(self, node: Simple, handles: Handles) -> int:
        line = self.expand(node.name + node.arguments)
        if not line.strip():
            return 0
        builtin = self._builtin(line)
        if builtin is None:
            return self._external(line, handles)
        name, arguments = builtin
        command = BUILTINS[name]
        try:
            code = command.run(self, self._io(handles), arguments)
        except Win32Error as error:
            self._io(handles).complain(error.text)
            code = 1
        if (code and command.sets_on_error) or (not code and command.sets_on_success):
            self.errorlevel = code
        return code

    def _builtin(self, line: str) -> tuple[str, str] | None:
        """Name and arguments of a command inside cmd.exe; None for a program."""
        token, rest = split_name(line.lstrip(" \t,;=@"))
        if re.fullmatch(r"[A-Za-z]:", token):
            return ":", token
        match = _BUILTIN_TOKEN.match(token)
        if match is None or match.group(1).lower() not in BUILTINS:
            return None
        if match.group(2) and match.group(2)[0] in ".\\" and self.process.files.is_file(token):
            return None
        return match.group(1).lower(), (match.group(2) or "") + rest

    def start(self, line: str, handles: Handles, *, wait: bool) -> int:
        """Start a program, and wait for its end or not."""
        return self._external(line, handles, wait=wait)

    def _external(self, line: str, handles: Handles, *, wait: bool | None = None) -> int:
        """Run a program; unless ``wait`` says otherwise, one with windows is not waited for [ms]."""
        token, rest = split_name(line.lstrip(" \t,;=@"))
        if '"' not in token and "/" in token:
            token, _slash, switch = token.partition("/")
            rest = "/" + switch + rest
        name = token.replace('"', "")
        io = self._io(handles)
        image = (
            launch.find_executable(io, name, launch.executable_extensions(io.env.get("PATHEXT", ""))) if name else None
        )
        if image is None:
            return self._not_found(io, token, name)
        process = launch.child(io, image, token, rest)
        try:
            program = launch.load(process)
        except Win32Error:
            io.complain(*self._not_a_program(image))
            self.errorlevel = 216 if io.host.windows.wide else 193
            return 1
        if wait is None:
            wait = process.name.lower() not in launch.WINDOWED
        self.errorlevel = launch.run(process, program) if wait else _run_apart(process, program)
        return self.errorlevel

    def _not_found(self, io: Process, token: str, name: str) -> int:
        folder = paths.parent(io.files.absolute(name)) if "\\" in name else ""
        self.errorlevel = NOT_RECOGNIZED
        if folder and not io.files.is_dir(folder):
            self.errorlevel = 1
            io.complain("The system cannot find the path specified.")
        else:
            io.complain(
                f"'{token}' is not recognized as an internal or external command,", "operable program or batch file."
            )
        return 1

    def _not_a_program(self, image: str) -> list[str]:
        """Batch files are not simulated, and say so; other files are no programs."""
        if image.lower().endswith((".cmd", ".bat")):
            return [f"The lab does not run batch files: {image}"]
        if self.process.host.windows.wide:
            return [
                f"This version of {image} is not compatible with the version of Windows you're running. Check your computer's "
                "system information to see whether you need a x86 (32-bit) or x64 (64-bit) version of the program, and then "
                "contact the software publisher."
            ]
        return [f"{image} is not a valid Win32 application."]


def _run_apart(process: Process, program: Program) -> int:
    """Run a program that nobody waits for."""

    def main() -> None:
        with contextlib.suppress(Killed):
            launch.run(process, program)

    threading.Thread(target=main, daemon=True, name=f"started {process.name}").start()
    return 0
