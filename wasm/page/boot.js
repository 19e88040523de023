"use strict";

// boot.js fetches and starts the client. It owns the page until the client
// runs, and again when the client cannot run any longer. wasm/build puts Go's
// own script before it, into the same file.

(() => {
  const script = document.currentScript;
  const byId = (id) => document.getElementById(id);
  const words = () => JSON.parse(byId("words").content.textContent); // visitor.js may change them

  // say shows a word, and lets visitor.js do so in other languages.
  const say = (id, word) => {
    byId(id).dataset.word = word;
    byId(id).textContent = words()[word];
  };

  // fail says in one sentence what went wrong and offers to load the page again.
  const fail = (word) => {
    document.body.dataset.state = "error";
    say("status", "failed");
    say("fault", word);
    byId("bytes").hidden = true;
    byId("online").hidden = true;
    const start = byId("start");
    say("start", "reload");
    start.disabled = false;
    start.addEventListener("click", () => location.reload());
    start.focus();
  };

  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

  // count shows how much of a body has come. The total is the size of the
  // client itself: Content-Length is that of the compressed body.
  const count = async (body) => {
    const total = Number(script.dataset.bytes);
    const label = byId("bytes");
    const text = words().bytes;
    const reader = body.getReader();
    label.hidden = false;
    for (let bytes = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      byId("progress").value = bytes;
      label.textContent = text.replace("{done}", megabytes(bytes)).replace("{all}", megabytes(total));
    }
    label.hidden = true;
  };

  // parsed is when all elements of the page are there: this script does not wait
  // for them.
  const parsed = new Promise((resolve) => {
    if (document.readyState !== "loading") return resolve();
    document.addEventListener("readystatechange", resolve, { once: true });
  });

  // loaded is when all else is here too, and the other scripts have run.
  const loaded = new Promise((resolve) => {
    if (document.readyState === "complete") return resolve();
    addEventListener("load", resolve, { once: true });
  });

  // compile has the client compiled while it comes in, from the moment this
  // script is here. The copy is what is counted: the response itself goes to the
  // compiler, so that the browser may keep the machine code for the next visit.
  const compile = async () => {
    const response = await fetch(script.dataset.client);
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
    const copy = response.clone();
    parsed.then(() => count(copy.body)).catch(() => {});
    return WebAssembly.compileStreaming(response);
  };

  const boot = async () => {
    const able = typeof WebAssembly === "object" && typeof RTCPeerConnection === "function";
    const compiled = able ? compile() : undefined;
    compiled?.catch(() => {}); // it is looked at when the page is there to tell of it
    await parsed;
    if (typeof WebAssembly !== "object") return fail("no_wasm");
    if (typeof RTCPeerConnection !== "function") return fail("no_webrtc");
    let go, instance;
    try {
      go = new Go();
      instance = await WebAssembly.instantiate(await compiled, go.importObject);
    } catch (err) {
      console.error(err);
      return fail("not_loaded");
    }
    try {
      const life = go.run(instance);
      loaded.then(() => document.dispatchEvent(new Event("client-runs"))); // START is there
      await life; // for as long as the page lives
    } catch (err) {
      console.error(err);
    }
    fail("stopped");
  };

  boot();
})();
