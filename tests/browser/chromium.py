# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven over the DevTools protocol."""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

import websocket

PATIENCE = 120  # seconds until something that does not happen is a failure


class Browser:
    """One page. Collects requests, console errors and exceptions."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={self.folder}", *flags, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.number = 0
        self.events = []
        self.socket = websocket.create_connection(self.page_address(), timeout=PATIENCE)
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def page_address(self):
        port_file = pathlib.Path(self.folder, "DevToolsActivePort")
        wait_until(lambda: port_file.exists() and "\n" in port_file.read_text(), "the browser")
        port = port_file.read_text().split("\n")[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def open(self, address):
        self.events.clear()
        self.call("Page.navigate", url=address)

    def run(self, script):
        """The value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait(self, script):
        """Until the expression holds; while the page loads, what it names may not be there."""
        wait_until(lambda: self.run(f"(() => {{ try {{ return {script}; }} catch {{ return false; }} }})()"), script)

    def key(self, key):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def press(self, key, code, text=""):
        """A key that does something by itself, such as Tab."""
        about = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def tap(self, x, y):
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def middle(self, selector):
        """Of an element that is scrolled to."""
        return json.loads(self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{block: 'center'}});"
            "const box = one.getBoundingClientRect();"
            "return JSON.stringify([box.left + box.width / 2, box.top + box.height / 2]); })()"))

    def size(self, width, height, dark=False, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, file, width, dark=False):
        """The whole page at this width."""
        self.size(width, 900, dark, phone=width < 500)
        height = min(self.run("document.documentElement.scrollHeight"), 6000)
        self.size(width, height, dark, phone=width < 500)
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it is drawn
        pathlib.Path(file).write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def requests(self):
        return [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the console shows as errors, violations of the content policy among them."""
        found = [event["params"]["entry"]["text"] for event in self.events
                 if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"]
        found += [json.dumps(event["params"]["exceptionDetails"]) for event in self.events
                  if event["method"] == "Runtime.exceptionThrown"]
        return found


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)
