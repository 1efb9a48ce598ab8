# SPDX-License-Identifier: Apache-2.0
"""The report and the dashboard as a user sees them."""

import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from chromium import Browser

PROGRAM = os.path.abspath(sys.argv[1])
PICTURES = sys.argv[2]  # "": none
START = 1_795_872_000
PLANTED = "the town </script><script>window.planted = 1</script><img src=x onerror=window.planted=1> \u202egnorw"


def step(number, lift):
    noise = math.sin(number * 12.9898) * 0.08
    loss = 3.2 + lift + 4.5 * math.exp(-number / 90) + 1.5 * math.exp(-number / 700) + noise
    seconds = 0.5 + (0.2 if number % 97 == 0 else 0)
    return {"kind": "step", "time": START + number * 0.5, "step": number, "tokens": number * 4096, "epoch": 0, "loss": loss,
            "learning_rate": 0.004 * min(1, number / 100), "grad_norm": 0.7 + abs(noise) + (8 if number == 12 else 0),
            "applied": True, "step_seconds": seconds, "forward_seconds": seconds * 0.3, "backward_seconds": seconds * 0.6,
            "loss_seconds": seconds * 0.2, "optimizer_seconds": seconds * 0.05, "data_wait_seconds": seconds * 0.01,
            "checkpoint_wait_seconds": 0, "tokens_per_second": 4096 / seconds, "flops_utilization": 0.4 / seconds * 0.5,
            "sequence_buffer": min(50000, number * 300), "batch_queue": 32, "resident_bytes": 801_000_000, "batch_hash": "0"}


def write_run(folder, steps, lift=0.0, configuration=None):
    """A run that trains: its process is this one."""
    folder.mkdir(parents=True)
    events = [{"kind": "session", "time": START, "step": 0, "tokens": 0, "schema": 1, "version": "9.9.9", "process": os.getpid(),
               "resumed": False, "model": "base", "parameters": 27_136_000, "precision": "bf16", "threads": 2, "workers": 2,
               "processor": "Test processor", "kernels": "AVX2", "peak_flops": 81e9,
               "limits": {"steps": 4000, "tokens": 0, "epochs": 0, "seconds": 0, "epoch_tokens": 9_000_000},
               "configuration": {"batch": "16", "learning-rate": "0.004", "precision": "bf16", **(configuration or {})}}]
    for number in range(0, steps + 1, 200):
        loss = 3.5 + lift + 6 * math.exp(-number / 300)
        events.append({"kind": "evaluation", "time": START + number * 0.5, "step": number, "tokens": number * 4096,
                       "validation_loss": loss, "perplexity": math.exp(loss), "bits_per_byte": loss * 0.42, "peak_flops": 81e9})
        events.append({"kind": "sample", "time": START + number * 0.5, "step": number, "prompt": "The history of ",
                       "text": f"{PLANTED} at step {number}", "seconds": 0.4})
        events.append({"kind": "checkpoint", "time": START + number * 0.5, "step": number, "checkpoint_bytes": 325_000_000,
                       "checkpoint_seconds": 1.2, "checkpoint_cpu_seconds": 0.4, "checkpoint_pause_seconds": 0.01})
    write_lines(folder / "events.jsonl", events)
    write_lines(folder / "metrics.jsonl", events + [step(number, lift) for number in range(1, steps + 1)])
    return folder


def write_lines(file, records):
    with open(file, "a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record) + "\n" for record in records)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser("--host-resolver-rules=MAP evil.example 127.0.0.1")

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name)
        self.browser.size(1280, 900)

    def report(self, *states):
        file = self.folder / "report.html"
        subprocess.run([PROGRAM, "report", *map(str, states), "--output", str(file)], check=True, stdout=subprocess.DEVNULL)
        self.browser.open(file.as_uri())
        self.browser.wait("document.readyState === 'complete' && document.querySelectorAll('.tile, tbody tr').length > 0")
        return file

    def dashboard(self, *states):
        process = subprocess.Popen([PROGRAM, "dashboard", *map(str, states), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                   text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        port = int(re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline()).group(1))
        return process, port

    def take_pictures(self, name):
        if not PICTURES:
            return
        os.makedirs(PICTURES, exist_ok=True)
        for width, dark in ((1280, False), (1280, True), (360, False), (360, True)):
            self.browser.picture(os.path.join(PICTURES, f"{name}-{width}-{'dark' if dark else 'light'}.png"), width, dark)

    def check_is_quiet(self, allowed):
        self.assertEqual([address for address in self.browser.requests() if not address.startswith(allowed)], [])
        self.assertEqual(self.browser.complaints(), [])


class Report(Page):
    def test_shows_a_run_and_requests_nothing(self):
        file = self.report(write_run(self.folder / "base", 2000))
        self.assertEqual(self.browser.run("document.querySelectorAll('figure:not([hidden]) canvas').length"), 9)
        self.assertIn("step 2,000 of 4,000 (50 %)", self.browser.run("document.body.innerText"))
        self.check_is_quiet((file.as_uri(), "data:"))
        self.take_pictures("report-one")

    def test_shows_planted_markup_as_text(self):
        self.report(write_run(self.folder / "base", 400))
        self.assertIn("</script><script>window.planted = 1</script><img", self.browser.run("document.body.innerText"))
        self.assertEqual(self.browser.run("document.querySelector('.escape').textContent"), "U+202E")
        self.assertIsNone(self.browser.run("window.planted"))
        self.assertEqual(self.browser.run("document.querySelectorAll('img').length"), 0)

    def test_compares_two_runs(self):
        self.report(write_run(self.folder / "all/base", 2000),
                    write_run(self.folder / "all/wide", 1500, 0.2, {"learning-rate": "0.003"}))
        self.assertEqual(self.browser.run("document.querySelectorAll('#configuration tbody tr').length"), 1)
        self.assertIn("0.003", self.browser.run("document.querySelector('#configuration tbody').innerText"))
        self.browser.run("document.querySelector('#runs input').click()")
        self.assertNotIn("base", self.browser.run("document.querySelector('figure .legend').innerText"))
        self.browser.run("document.querySelector('#runs input').click()")
        self.take_pictures("report-two")

    def test_can_be_used_with_the_keyboard(self):
        self.report(write_run(self.folder / "base", 2000))
        self.browser.run("document.querySelector('canvas').focus()")
        value = "document.querySelector('canvas').getAttribute('aria-valuetext')"
        self.browser.key("ArrowLeft")
        self.browser.wait(f"{value}.startsWith('step 2,000')")  # the newest point
        self.browser.key("ArrowLeft")
        self.browser.wait(f"{value}.startsWith('step 1,99')")
        before = self.browser.run(value)
        for _ in range(3):
            self.browser.key("ArrowLeft")
        self.browser.wait(f"{value} !== {json.dumps(before)}")
        self.browser.key("+")
        self.browser.wait("view.range !== null")
        self.browser.key("0")
        self.browser.wait("view.range === null")

    def test_zooms_by_dragging(self):
        self.report(write_run(self.folder / "base", 2000))
        box = self.browser.run("JSON.stringify(document.querySelector('canvas').getBoundingClientRect())")
        box = json.loads(box)
        y = box["top"] + box["height"] / 2
        press = {"button": "left", "buttons": 1, "clickCount": 1}
        self.browser.call("Input.dispatchMouseEvent", type="mousePressed", x=box["left"] + 300, y=y, **press)
        for x in (350, 500, 600):
            self.browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["left"] + x, y=y, **press)
        self.browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=box["left"] + 600, y=y, **press)
        self.browser.wait("view.range !== null && view.range[1] - view.range[0] < 1000")

    def test_has_each_curve_as_a_table(self):
        self.report(write_run(self.folder / "base", 2000))
        self.browser.run("document.querySelector('figure details').open = true")
        self.browser.wait("document.querySelectorAll('figure table tbody tr').length > 10")

    def test_fits_a_phone(self):
        self.browser.size(360, 800, phone=True)
        self.report(write_run(self.folder / "base", 400), write_run(self.folder / "wide", 400, 0.2))
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 360)

    def test_shows_the_words_of_an_event_on_a_phone(self):
        self.browser.size(390, 800, phone=True)
        self.report(write_run(self.folder / "base", 400), write_run(self.folder / "wide", 400, 0.2))
        box = "document.querySelector('#events td.text').getBoundingClientRect()"
        self.assertLessEqual(self.browser.run(f"{box}.right"), 390)
        self.assertLess(self.browser.run(f"{box}.height"), 60, "it is not squeezed into a column")

    def test_is_dark_where_the_system_is(self):
        self.browser.size(1280, 900, dark=True)
        self.report(write_run(self.folder / "base", 400))
        self.assertEqual(self.browser.run("getComputedStyle(document.body).backgroundColor"), "rgb(12, 16, 21)")

    def test_shows_all_of_a_run_whose_clock_was_set_back(self):
        state = write_run(self.folder / "base", 0)
        lines = [step(number, 0) for number in range(1, 401)]
        for line in lines[200:]:
            line["time"] -= 7200
        write_lines(state / "metrics.jsonl", lines)
        self.report(state)
        self.browser.run("[...document.querySelectorAll('#tools button')].find((one) => one.textContent === 'date').click()")
        span = self.browser.run("view.extent()")
        self.assertAlmostEqual(span[1] - span[0], 7200, delta=200)
        self.assertEqual(self.browser.complaints(), [])

    def test_shows_a_run_without_steps(self):
        (self.folder / "new").mkdir()
        (self.folder / "new/metrics.jsonl").touch()
        self.report(self.folder / "new")
        self.assertIn("starting", self.browser.run("document.body.innerText"))
        self.assertEqual(self.browser.complaints(), [])


class Dashboard(Page):
    def test_follows_a_run_and_tells_when_it_is_gone(self):
        state = write_run(self.folder / "base", 1000)
        process, port = self.dashboard(state)
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("document.title.includes('base') && document.querySelectorAll('figure:not([hidden]) canvas').length === 9")
        self.browser.wait("document.body.innerText.includes('step 1,000 of 4,000')")
        self.browser.wait("view.runs()[0].series?.step.length > 100")
        write_lines(state / "metrics.jsonl", [step(number, 0) for number in range(1001, 1101)])
        self.browser.wait("document.body.innerText.includes('step 1,100 of 4,000')")
        self.browser.wait("view.runs()[0].series.step.at(-1) === 1100")
        self.check_is_quiet((f"http://127.0.0.1:{port}/", "data:"))
        self.take_pictures("dashboard")
        self.browser.size(1280, 900)
        process.kill()
        process.wait()
        self.browser.wait("!document.getElementById('banner').hidden")

    def test_is_used_on_a_phone(self):
        self.browser.size(360, 740, phone=True)
        write_run(self.folder / "all/base", 600)
        write_run(self.folder / "all/wide", 500, 0.2)
        _, port = self.dashboard(self.folder / "all")
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("view.runs().length === 2 && view.runs().every((run) => run.series)")
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 360)
        small = ("[...document.querySelectorAll('button, select, summary, .chip')].filter((one) => one.offsetParent !== null)"
                 ".filter((one) => one.getBoundingClientRect().height < 24).map((one) => one.textContent)")
        self.assertEqual(self.browser.run(small), [])
        self.assertIn("Touch a curve", self.browser.run("document.getElementById('readout').textContent"))
        x, y = self.browser.middle("figure canvas")
        self.browser.tap(x, y)
        self.browser.wait("/^step [0-9]/.test(document.getElementById('readout').textContent)")  # and the finger is lifted
        self.browser.tap(*self.browser.middle("button[aria-label='Zoom in']"))
        self.browser.wait("view.range !== null && view.runs().every((run) => run.detail)")
        self.browser.tap(*self.browser.middle("#runs .chip"))
        self.browser.wait("view.runs().length === 1")
        self.check_is_quiet((f"http://127.0.0.1:{port}/", "data:"))

    def test_shows_planted_markup_of_a_new_sample_as_text(self):
        state = write_run(self.folder / "base", 100)
        _, port = self.dashboard(state)
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("view.runs()[0].series?.step.length > 10")
        sample = {"kind": "sample", "time": START + 60, "step": 101, "prompt": "<b>Once</b>", "text": f"{PLANTED} new", "seconds": 1}
        write_lines(state / "metrics.jsonl", [step(101, 0), sample])
        write_lines(state / "events.jsonl", [sample])
        self.browser.wait("document.querySelector('#samples').innerText.includes('<b>Once</b>the town </script><script>')")
        self.assertIsNone(self.browser.run("window.planted"))
        self.assertEqual(self.browser.run("document.querySelectorAll('img, b').length"), 0)
        self.assertEqual(self.browser.complaints(), [])

    def test_updates_each_of_two_runs(self):
        states = [write_run(self.folder / "all/base", 300), write_run(self.folder / "all/wide", 200, 0.2)]
        _, port = self.dashboard(self.folder / "all")
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("view.runs().length === 2 && view.runs().every((run) => run.series)")
        for state, first in zip(states, (301, 201)):
            write_lines(state / "metrics.jsonl", [step(number, 0) for number in range(first, first + 50)])
        self.browser.wait("view.runs().map((run) => run.series.step.at(-1)).join() === '350,250'")
        self.browser.wait("['350', '250'].every((step) => document.querySelector('#now table').innerText.includes(step))")

    def test_skips_to_the_curves_with_the_keyboard(self):
        _, port = self.dashboard(write_run(self.folder / "base", 100))
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("view.runs()[0].series?.step.length > 10")
        self.browser.press("Tab", 9)
        self.assertEqual(self.browser.run("document.activeElement.className"), "skip")
        self.browser.press("Enter", 13, "\r")
        self.browser.wait("document.activeElement.id === 'curves'")
        passed = []
        for _ in range(40):
            self.browser.press("Tab", 9)
            passed.append(self.browser.run("document.activeElement.tagName"))
            if passed[-1] == "CANVAS":
                break
        self.assertIn("INPUT", passed)
        self.assertEqual(passed[-1], "CANVAS")
        self.assertNotEqual(self.browser.run("getComputedStyle(document.activeElement).outlineStyle"), "none")

    def test_refuses_a_name_that_was_made_to_point_here(self):
        _, port = self.dashboard(write_run(self.folder / "base", 10))
        self.browser.open(f"http://evil.example:{port}/")
        self.browser.wait("document.body?.innerText.includes('unknown host evil.example')")

    def test_shows_runs_over_each_other(self):
        write_run(self.folder / "all/base", 600)
        write_run(self.folder / "all/wide", 500, 0.2)
        _, port = self.dashboard(self.folder / "all")
        self.browser.open(f"http://127.0.0.1:{port}/")
        self.browser.wait("view.runs().length === 2 && view.runs().every((run) => run.series)")
        self.browser.wait("document.querySelector('figure .legend').innerText.includes('wide')")


class Typing(Page):
    def serve(self):
        text = self.folder / "text.txt"
        text.write_text("the town of the king and the queen. " * 400)
        state = self.folder / "run"
        subprocess.run([PROGRAM, "train", "--corpus", text, "--state", state, "--model", "tiny", "--steps", "2", "--threads", "1",
                        "--workers", "1", "--sample-tokens", "0"], check=True, stderr=subprocess.DEVNULL)
        process = subprocess.Popen([PROGRAM, "serve", str(state), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.browser.open(re.search(r"http://\S+?/", process.stdout.readline()).group(0))
        self.browser.wait("document.getElementById('model').textContent === 'step-2'")

    def test_continues_a_text(self):
        self.browser.size(360, 740, phone=True)
        self.serve()
        self.browser.run("document.getElementById('prompt').value = 'the king'")
        self.browser.tap(*self.browser.middle("#go"))
        self.browser.wait("/used|ended/.test(document.getElementById('state').textContent)")
        self.assertTrue(self.browser.run("document.getElementById('text').textContent.startsWith('the king')"))
        self.assertGreater(self.browser.run("document.getElementById('text').textContent.length"), 20)
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 360)
        self.assertEqual(self.browser.complaints(), [])
        self.take_pictures("typing")

    def test_shows_planted_markup_as_text(self):
        self.serve()
        event = json.dumps({"model": "step-2", "choices": [{"text": PLANTED, "finish_reason": None}]})
        self.browser.run(f"window.fetch = async () => new Response({json.dumps(f'data: {event}')} + '\\n\\n')")
        self.browser.run("document.getElementById('go').click()")
        self.browser.wait("document.querySelector('#text .escape')?.textContent === 'U+202E'")
        self.assertIn("</script><script>window.planted = 1</script><img", self.browser.run("document.getElementById('text').textContent"))
        self.assertIsNone(self.browser.run("window.planted"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
