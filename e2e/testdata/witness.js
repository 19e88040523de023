// Keeps every RTCPeerConnection that the page makes, to ask the browser about
// it, every MATCH that comes on a WebSocket to /matchmaking, every line that the
// log shows, and what the page was kept from doing. Nothing else of the page
// changes.
(() => {
  const made = [];
  const cold = new URLSearchParams(location.search).has("cold");
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      if (cold && times.match === undefined) throw new Error("nothing is made ready");
      super(...args);
      made.push(this);
    }
  };

  const offered = []; // ICE servers, with a MATCH or for the room to come
  const matches = [];
  const times = {}; // of the newest MATCH, and of the partner's first line after it
  let opened = 0; // WebSockets
  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      opened++;
      if (new URL(this.url).pathname !== "/matchmaking") return;
      this.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.iceServers) offered.push(message.iceServers);
        if (message.type !== "MATCH") return;
        matches.push(message);
        times.match = performance.now();
        delete times.heard;
      });
    }
  };

  // With ?cold the page believes that the server is of the time before
  // anything was made ready for a partner. So it dials /matchmaking when START is
  // pressed, /signaling after MATCH, waits for accept, and then makes its
  // connection, which gathers when it has a description. No connection can be made
  // before.
  if (cold) {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
      const message = JSON.parse(data);
      if (/^standby$/i.test(message.type)) message.type = "of a later version";
      if (message.ext) message.ext = message.ext.filter((ext) => ext !== "warm" && ext !== "early");
      send.call(this, JSON.stringify(message));
    };
  }

  // greets writes as soon as one can.
  const greets = (text) => {
    new MutationObserver((_, observer) => {
      if (document.body.dataset.state !== "chatting") return;
      observer.disconnect();
      const field = document.getElementById("message");
      field.value = text;
      field.form.requestSubmit();
    }).observe(document.body, { attributes: true });
  };

  const candidate = (stats) => ({
    type: stats?.candidateType ?? "",
    address: stats?.address ?? "",
    relayProtocol: stats?.relayProtocol ?? "",
  });

  // connection describes the newest one; connection in tab_test.go reads it.
  // Firefox says of a pair that it is selected, others say which of a transport.
  const connection = async () => {
    const pc = made.at(-1);
    const { iceServers, iceTransportPolicy } = pc.getConfiguration();
    const stats = await pc.getStats();
    const all = [...stats.values()];
    const pair = all.find((s) => s.type === "candidate-pair" && s.selected)
      ?? stats.get(all.find((s) => s.type === "transport")?.selectedCandidatePairId);
    return {
      policy: iceTransportPolicy,
      iceServers,
      local: candidate(stats.get(pair?.localCandidateId)),
      remote: candidate(stats.get(pair?.remoteCandidateId)),
      known: all.filter((s) => s.type === "remote-candidate").map(candidate),
    };
  };

  // lines are all that the log has shown, whoever wrote them; line in
  // recovery_test.go reads them. The log itself forgets the oldest.
  const lines = [];
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (!(node instanceof HTMLElement) || node.parentElement?.id !== "log" || !node.dataset.from) continue;
        if (node.dataset.from === "peer") times.heard ??= performance.now();
        lines.push({ from: node.dataset.from, text: (node.querySelector("p") ?? node).textContent });
      }
    }
  }).observe(document, { subtree: true, childList: true });
  const said = (from) => lines.filter((line) => line.from === from).map((line) => line.text);

  // babble writes "word 0", "word 1" and so on, as fast as the page takes it, but
  // not faster than one in so many milliseconds. The page empties the field when
  // it has taken a message.
  let babbling;
  const babble = (word, milliseconds) => {
    let next = 0;
    babbling = setInterval(() => {
      const field = document.getElementById("message");
      if (field.disabled || field.readOnly) return;
      if (field.value === "") {
        field.value = `${word} ${next++}`;
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
      }
      field.form.requestSubmit();
    }, milliseconds);
  };
  const hush = () => clearInterval(babbling);

  // Of what a stranger writes nothing may run: what would says so here, or by
  // breaking the page's policy.
  const forbidden = [];
  document.addEventListener("securitypolicyviolation", (event) => forbidden.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
  window.xss = (what) => forbidden.push(`ran: ${what}`);
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) window[name] = (...args) => forbidden.push(`${name}(${args})`);

  // delays are how long keys waited for the page, and for the frame after it.
  const delays = [];
  addEventListener("keydown", ({ timeStamp }) => {
    requestAnimationFrame(() => delays.push(performance.now() - timeStamp));
  }, { capture: true });

  // pairs says of each candidate of the newest connection, and of each pair, what
  // came of it, a line each.
  const pairs = async () => {
    const stats = await made.at(-1)?.getStats();
    const end = (id) => {
      const c = stats.get(id);
      return `${c?.candidateType} ${c?.relayProtocol ?? ""} ${c?.address}:${c?.port} ${c?.priority}`;
    };
    const all = [...stats?.values() ?? []];
    const candidates = all.filter((s) => /^(local|remote)-candidate$/.test(s.type)).map((c) => `${c.type}: ${end(c.id)} ${c.url ?? ""}`);
    return candidates.concat(all.filter((s) => s.type === "candidate-pair").map((p) =>
      `${end(p.localCandidateId)} to ${end(p.remoteCandidateId)}: ${p.state}${p.nominated ? ", nominated" : ""}, `
      + `asked ${p.requestsSent} answered ${p.responsesReceived}, was asked ${p.requestsReceived} answered ${p.responsesSent}, `
      + `sent ${p.bytesSent} received ${p.bytesReceived}`)).join("\n");
  };

  const sockets = () => opened;

  window.witness = { connection, sockets, pairs, matches, offered, times, said, greets, babble, hush, forbidden, delays };
})();
