// A visitor of the page: presses START, writes, counts what comes, and leaves.
// Nothing of the page changes but that its connections are kept, to be asked.
(() => {
  const made = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      made.push(this);
    }
  };

  const element = (id) => document.getElementById(id);

  // so waits until a condition on the document holds.
  const so = (what, holds, patience) => new Promise((resolve, reject) => {
    const late = setTimeout(() => { clearInterval(again); reject(new Error(what)); }, patience);
    const again = setInterval(() => {
      if (!holds()) return;
      clearTimeout(late);
      clearInterval(again);
      resolve();
    }, 5);
  });

  const ready = () => so("START cannot be pressed", () => document.body?.dataset.state === "idle" && element("start")?.disabled === false, 20000).then(() => true);

  const heard = () => Array.from(document.querySelectorAll("#log > [data-from=peer]"), (line) => (line.querySelector("p") ?? line).textContent);

  const write = async (text) => {
    const field = element("message");
    const free = () => !field.disabled && !field.readOnly && field.value === "";
    await so(`message ${text} cannot be written`, free, 20000);
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    field.form.requestSubmit();
    await so(`message ${text} is not taken`, () => field.value === "", 20000);
  };

  // way says which candidates are in use.
  const way = async () => {
    const stats = await made.at(-1).getStats();
    const transport = [...stats.values()].find((s) => s.type === "transport" && s.selectedCandidatePairId);
    const pair = stats.get(transport?.selectedCandidatePairId);
    const local = stats.get(pair?.localCandidateId), remote = stats.get(pair?.remoteCandidateId);
    const leg = (local?.candidateType === "relay" ? local.relatedAddress : local?.address) ?? "";
    return {
      type: local?.candidateType ?? "", remote: remote?.candidateType ?? "", relay: local?.relayProtocol ?? "",
      family: leg.includes(":") ? (leg === "::" ? 0 : 6) : leg && leg !== "0.0.0.0" ? 4 : 0,
    };
  };

  // meet lets the visitor meet the other one; the answer is an Account.
  const meet = async (messages, meetTimeout, talkTimeout) => {
    const said = { opened_ms: 0, type: "", remote: "", family: 0, lost: 0, doubled: 0 };
    try {
      const began = performance.now();
      element("start").click();
      await so("there was no chat", () => document.body.dataset.state === "chatting", meetTimeout);
      said.opened_ms = performance.now() - began;
      for (let i = 0; i < messages; i++) await write(String(i));
      await so("", () => new Set(heard()).size >= messages, talkTimeout).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 300));
      const times = new Map();
      for (const text of heard()) times.set(text, (times.get(text) ?? 0) + 1);
      for (let i = 0; i < messages; i++) {
        const n = times.get(String(i)) ?? 0;
        if (n === 0) said.lost++;
        else said.doubled += n - 1;
      }
      Object.assign(said, await way());
      if (!said.relay) delete said.relay;
    } catch (error) {
      said.error = error.message;
    }
    return said;
  };

  const part = () => {
    if (element("stop")?.disabled === false) element("stop").click();
    return true;
  };

  window.visitor = { ready, meet, part };
})();
