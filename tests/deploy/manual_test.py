#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manual pages, completions and the template of the configuration name what --help names: manual_test.py PRETRAIN"""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()


def pretrain(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=600, check=True).stdout


def options_in(text):
    return set(re.findall(r"^  --([a-z0-9-]+)", text, re.M))


def command_names():
    return re.findall(r"^  pretrain ([a-z-]+) ", pretrain("--help"), re.M)


def all_commands():
    """(words, options) of each command and each verb of tokenizer."""
    for name in command_names():
        if name == "tokenizer":
            for verb in ("train", "encode", "decode"):
                yield (name, verb), options_in(pretrain(name, verb, "--help"))
        else:
            yield (name,), options_in(pretrain(name, "--help"))


def keys_of_a_run():
    own = {"config", "check", "help"}
    return [key for key in re.findall(r"^  --([a-z0-9-]+)", pretrain("train", "--help"), re.M) if key not in own]


def plain(page):
    """A page as one line of text, without the formatter's escapes."""
    return re.sub(r"\s+", " ", re.sub(r"\\f.", "", page).replace("\\-", "-").replace("\\(aq", "'"))


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def file(self, name, text):
        (self.path / name).write_text(text)
        return self.path / name

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")


class ManualPages(Folder):
    def test_each_option_of_each_command_is_on_its_page(self):
        self.assertGreater(len(command_names()), 15)
        for words, options in all_commands():
            page = pretrain("help", "--format", "man", words[0])
            for option in options:
                self.assertIn(f"\n\\fB\\-\\-{option}\\fR".replace(option, option.replace("-", "\\-")), page, words)

    def test_the_page_of_the_program_names_each_command(self):
        page = pretrain("help", "--format", "man")
        for name in command_names():
            self.assertIn(f"\\-{name}\\fR(1)".replace(name, name.replace("-", "\\-")), page)

    def test_the_page_of_the_configuration_has_each_key(self):
        page = pretrain("help", "--format", "man", "pretrain.conf")
        keys = keys_of_a_run()
        self.assertGreater(len(keys), 50)
        for key in keys:
            self.assertIn(f"\n\\fB{key}\\fR = ".replace(key, key.replace("-", "\\-")), page)

    def test_a_page_says_what_the_help_says(self):
        page = plain(pretrain("help", "--format", "man", "generate"))
        help_text = re.sub(r"\s+", " ", pretrain("generate", "--help"))
        self.assertIn("top-k N", page)
        for text in re.findall(r"--seed N (.*?) --", help_text):
            self.assertIn(text, page)

    def write_pages(self):
        pretrain("help", "--output", str(self.path))
        pages = sorted((self.path / "man").rglob("*.[15]"))
        self.assertEqual(len(pages), len(command_names()) + 2)
        return pages

    def test_mandoc_has_nothing_to_say(self):
        self.need("mandoc")
        for page in self.write_pages():
            result = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page], capture_output=True, text=True, check=False)
            complaints = [line for line in result.stdout.splitlines() if "referenced manual not found" not in line]
            self.assertEqual(complaints, [], page)

    def test_man_formats_every_page_without_a_warning(self):
        self.need("man")
        for page in self.write_pages():
            environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""}
            result = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page], env=environment,
                                    capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), page)
            self.assertIn("SEE ALSO", re.sub("[^\n]\x08", "", result.stdout))  # bold is a letter printed twice

    def test_two_calls_write_the_same(self):
        pretrain("help", "--output", str(self.path / "a"))
        pretrain("help", "--output", str(self.path / "b"))
        files = [file.relative_to(self.path / "a") for file in (self.path / "a").rglob("*") if file.is_file()]
        self.assertGreater(len(files), 20)
        for file in files:
            self.assertEqual((self.path / "a" / file).read_bytes(), (self.path / "b" / file).read_bytes(), file)

    def test_a_format_that_is_about_everything_takes_no_command(self):
        result = subprocess.run([PROGRAM, "help", "--format", "bash", "eval"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("unexpected argument 'eval'", result.stderr + result.stdout)


class Template(Folder):
    """pretrain.conf with every key as a comment."""

    def setUp(self):
        super().setUp()
        self.text = pretrain("help", "--format", "conf")
        # The rules are read when the key is; its example names a file of the user's.
        rules = self.file("rules.txt", "")
        self.assertIn("\n#template-rules = /srv/template-rules\n", self.text)
        self.text = self.text.replace("/srv/template-rules", str(rules))
        self.entries = re.findall(r"^#([a-z0-9-]+) = (.*)$", self.text, re.M)

    def check(self, text):
        file = self.file("pretrain.conf", text)
        result = subprocess.run([PROGRAM, "train", "--check", "--config", file, "--state", self.path / "state"],
                                capture_output=True, text=True, timeout=600, check=False)
        return result.stdout + result.stderr

    def test_every_key_is_there_once(self):
        self.assertEqual([key for key, _ in self.entries], keys_of_a_run())

    def test_as_it_is_it_sets_nothing(self):
        self.assertRegex(self.text, r"\A(#.*\n|\n)+\Z")
        self.assertIn("--corpus is missing", self.check(self.text))

    def test_every_key_is_accepted_without_its_comment_sign(self):
        for key, value in self.entries:
            output = self.check(f"{key} = {value}\n")
            self.assertNotIn("pretrain.conf, line", output, key)
        self.assertIn("pretrain.conf, line 1", self.check("batch = 0\n"), "what a refusal looks like")

    def test_all_are_accepted_together(self):
        text = re.sub(r"^#([a-z0-9-]+ = )", r"\1", self.text, flags=re.M)
        self.assertNotIn("pretrain.conf, line", self.check(text))

    def test_no_line_is_longer_than_a_terminal(self):
        self.assertLessEqual(max(map(len, pretrain("help", "--format", "conf").splitlines())), 80)


class Bash(Folder):
    """A real bash completes; what it is given is what readline gives: words, and the index of the current one."""

    def setUp(self):
        super().setUp()
        self.script = self.file("pretrain.bash", pretrain("help", "--format", "bash"))

    def complete(self, *lines):
        """The candidates for each list of words, the last of which is being typed."""
        text = ["source " + str(self.script)]
        for words in lines:
            quoted = " ".join("'" + word + "'" for word in words)
            text.append(f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _pretrain; echo \"${{COMPREPLY[*]}}\"")
        result = subprocess.run(["bash", "--norc", "-c", "\n".join(text)], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        answers = [set(line.split()) for line in result.stdout.split("\n")[:-1]]
        self.assertEqual(len(answers), len(lines))
        return answers

    def test_each_option_of_each_command_is_offered_and_no_other(self):
        commands = list(all_commands())
        for (words, options), offered in zip(commands, self.complete(*[("pretrain", *words, "--") for words, _ in commands])):
            self.assertEqual(offered, {f"--{option}" for option in options}, words)

    def test_commands_verbs_and_options_of_train(self):
        names, stopping, verbs, options = self.complete(
            ("pretrain", ""), ("pretrain", "st"), ("pretrain", "tokenizer", ""), ("pretrain", "--"))
        self.assertEqual(names, set(command_names()))
        self.assertEqual(stopping, {"status", "stop"})
        self.assertEqual(verbs, {"train", "encode", "decode"})
        self.assertLessEqual({"--corpus", "--version", "--help"}, options)

    def test_values_are_offered_also_after_an_equals_sign(self):
        presets = set(re.findall(r"^([a-z][a-z0-9-]*) ", pretrain("presets"), re.M)) - {"preset"}
        answers = self.complete(("pretrain", "train", "--model", ""), ("pretrain", "train", "--model", "="),
                                ("pretrain", "train", "--precision", "=", "b"), ("pretrain", "--schedule", "c"),
                                ("pretrain", "train", "--steps", ""), ("pretrain", "help", "ev"))
        self.assertIn("shakespeare", answers[0])
        self.assertLessEqual(presets, answers[0])
        self.assertEqual(answers[1], answers[0])
        self.assertEqual(answers[2], {"bf16"})
        self.assertEqual(answers[3], {"constant", "cosine", "cooldown"})
        self.assertEqual(answers[4], set())
        self.assertEqual(answers[5], {"eval"})

    def type(self, keys, expected):
        """Types into an interactive bash until `expected` is on its screen; returns what was."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**os.environ, "PS1": "$ ", "TERM": "dumb", "HISTFILE": "/dev/null"})
        os.write(terminal, f"source '{self.script}'; echo rea''dy\n".encode())
        screen, typed = b"", False
        end = time.monotonic() + 120
        while time.monotonic() < end and expected not in screen:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                screen += os.read(terminal, 65536)
            except OSError:
                break
            if not typed and b"\nready" in screen.replace(b"\r", b""):
                os.write(terminal, keys)
                typed = True
        os.close(terminal)
        os.waitpid(pid, 0)
        return screen

    def test_the_completion_key_completes_in_a_terminal(self):
        self.file("my corpus.txt", "text")
        self.assertIn(b"pretrain generate ", self.type(b"pretrain gen\t", b"pretrain generate "))
        self.assertIn(b"--checkpoint-interval ", self.type(b"pretrain train --checkpoint-i\t", b"--checkpoint-interval "))
        self.assertIn(b"my\\ corpus.txt", self.type(b"pretrain train --corpus my\t", b"my\\ corpus.txt"))

    def test_shellcheck_has_nothing_to_say(self):
        self.need("shellcheck")
        result = subprocess.run(["shellcheck", self.script], capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))


class Zsh(Folder):
    def setUp(self):
        super().setUp()
        self.need("zsh")
        self.script = self.file("_pretrain", pretrain("help", "--format", "zsh"))

    def run_zsh(self, text):
        result = subprocess.run(["zsh", "-f", "-c", text], capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def specifications(self, *words):
        """What the script gives to _arguments."""
        quoted = " ".join(f"'{word}'" for word in words)
        return self.run_zsh("_arguments() { print -rl -- \"$@\"; }\n_describe() { print -rl -- $commands; }\n"
                            "compadd() { shift; print -rl -- \"$@\"; }\n"
                            f"words=({quoted}); CURRENT={len(words)}\nsource {self.script}")

    def test_each_option_of_each_command_is_offered(self):
        for words, options in all_commands():
            offered = re.findall(r"^\*?--([a-z0-9-]+)\[", self.specifications("pretrain", *words, "--"), re.M)
            self.assertEqual(set(offered), options, words)

    def test_commands_and_verbs_are_offered(self):
        names = re.findall(r"^([a-z-]+):", self.specifications("pretrain", ""), re.M)
        self.assertEqual(names, command_names())
        self.assertEqual(self.specifications("pretrain", "tokenizer", "").split(), ["train", "encode", "decode"])

    def test_the_completion_system_of_zsh_takes_the_script(self):
        text = self.run_zsh(f"fpath=({self.path} $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[pretrain]")
        self.assertEqual(text, "_pretrain\n")


class Fish(Folder):
    def setUp(self):
        super().setUp()
        self.need("fish")
        self.script = self.file("pretrain.fish", pretrain("help", "--format", "fish"))

    def complete(self, *lines):
        text = "\n".join([f"source {self.script}"] + [f"complete -C '{line}'; echo ==" for line in lines])
        result = subprocess.run(["fish", "--no-config", "-c", text], cwd=self.path, capture_output=True, text=True,
                                env={**os.environ, "HOME": str(self.path)}, timeout=600, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [{line.split("\t")[0] for line in part.splitlines()} - {""} for part in result.stdout.split("==\n")[:-1]]

    def test_each_option_of_each_command_is_offered_and_no_other(self):
        commands = list(all_commands())
        for (words, options), offered in zip(commands, self.complete(*[f"pretrain {' '.join(words)} --" for words, _ in commands])):
            self.assertEqual(offered, {f"--{option}" for option in options}, words)

    def test_commands_verbs_and_values(self):
        self.file("novel.txt", "text")
        names, verbs, precisions, paths = self.complete("pretrain ", "pretrain tokenizer ", "pretrain train --precision ",
                                                        "pretrain train --corpus nov")
        self.assertEqual(names, set(command_names()))
        self.assertEqual(verbs, {"train", "encode", "decode"})
        self.assertEqual(precisions, {"auto", "f32", "bf16"})
        self.assertEqual(paths, {"novel.txt"})


if __name__ == "__main__":
    sys.exit(unittest.main())
