// SPDX-License-Identifier: Apache-2.0
// Sends the prompt to /v1/completions of the same program, and shows the text as it comes. Comes after format.js.

const part = (id) => document.getElementById(id);
let running = null;

function say(text) {
  part("state").textContent = text;
}

function request() {
  const body = {
    prompt: part("prompt").value, max_tokens: Number(part("tokens").value), temperature: Number(part("temperature").value),
    stream: true,
  };
  if (part("seed").value !== "") body.seed = Number(part("seed").value);
  return body;
}

/** Gives the data of each event of a stream to `take`. */
async function readEvents(stream, take) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    pending += piece.value;
    const events = pending.split("\n\n");
    pending = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ") && event !== "data: [DONE]") take(JSON.parse(event.slice(6)));
    }
  }
}

function show(answer) {
  if (answer.error) throw new Error(answer.error.message);
  const choice = answer.choices[0];
  part("model").textContent = answer.model;
  part("text").append(...modelText(choice.text ?? ""));
  if (choice.finish_reason) say(choice.finish_reason === "length" ? "All tokens are used." : "The document has ended.");
}

async function go() {
  running = new AbortController();
  part("go").disabled = true;
  part("stop").disabled = false;
  const prompt = document.createElement("span");
  prompt.className = "prompt";
  prompt.textContent = part("prompt").value;
  part("text").replaceChildren(prompt);
  say("…");
  try {
    const answer = await fetch("/v1/completions", {
      method: "POST", body: JSON.stringify(request()), headers: { "Content-Type": "application/json" }, signal: running.signal,
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    await readEvents(answer.body, show);
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped." : error.message);
  } finally {
    part("go").disabled = false;
    part("stop").disabled = true;
  }
}

part("go").addEventListener("click", go);
part("stop").addEventListener("click", () => running?.abort());
part("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !part("go").disabled) go();
});
fetch("/v1/models").then((answer) => answer.json()).then((models) => { part("model").textContent = models.data[0].id; })
  .catch((error) => say(error.message));
