"use strict";

// check.js shows what probe.js measures, as it comes in, and then the verdict.

(() => {
  // AT_ONCE is how many servers are asked at the same time.
  const AT_ONCE = 3;

  const byId = (id) => document.getElementById(id);
  const words = JSON.parse(byId("words").content.textContent);
  const say = (key, places = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => places[name]);

  const milliseconds = (ms) => say("ms", { n: Math.max(1, Math.round(ms)) });

  // row adds a line to the table, which is being measured, and returns how to
  // finish it.
  const row = (name, title, url = "") => {
    const line = byId("rows").insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = title;
    if (url) head.append(Object.assign(document.createElement("small"), { textContent: url, dir: "ltr" }));
    line.append(head);
    line.dataset.row = name;
    const [state, detail] = [line.insertCell(), line.insertCell()];
    const show = (kind, text) => {
      line.dataset.state = kind;
      state.textContent = say(`state_${kind}`);
      detail.textContent = text;
    };
    show("running", "");
    return show;
  };

  // why says in a few words what went wrong.
  const why = ({ code, text }) => {
    if (text === "timeout") return say("timeout", { n: probe.TIMEOUT / 1000 });
    return [code, text].filter(Boolean).join(" ");
  };

  const showOutcome = (show, outcome) => show(judge.state(outcome), outcome.ok ? milliseconds(outcome.ms) : why(outcome));

  const titleOf = (url) => {
    const { kind, port, transport, family } = judge.parse(url);
    return [say(kind, { transport: transport.toUpperCase(), port }), family].filter(Boolean).join(", ");
  };

  // turnstile lets only so many in at once.
  const turnstile = (most) => {
    let free = most;
    const queue = [];
    return async (work) => {
      if (free > 0) free--;
      else await new Promise((resolve) => queue.push(resolve));
      try {
        return await work();
      } finally {
        if (queue.length > 0) queue.shift()();
        else free++;
      }
    };
  };

  // ask asks the server for its relay; wait is how many seconds it wants us to.
  const ask = async () => {
    try {
      const response = await fetch("/check/servers", { cache: "no-store", signal: AbortSignal.timeout(probe.TIMEOUT) });
      if (response.ok) return { ...await response.json(), ok: true };
      return { ok: false, code: response.status };
    } catch (err) {
      return { ok: false, text: err.name === "TimeoutError" ? "timeout" : err.name };
    }
  };

  const askWebSocket = async () => {
    const show = row("websocket", say("websocket"));
    const outcome = await probe.websocket();
    showOutcome(show, outcome);
    return outcome;
  };

  const NAT_STATES = { open: "ok", keeps: "ok", changes: "limited", unmeasured: "skipped", blocked: "no" };

  const askNAT = async (stun) => {
    const show = row("nat", say("nat"));
    const kind = await probe.nat(stun);
    show(NAT_STATES[kind], say(`nat_${kind}`));
    byId("rows").querySelector("[data-row=nat]").dataset.kind = kind;
    return kind;
  };

  // askEach asks each URL alone. The sides of the room take turns: each may only
  // hold so much.
  const askEach = async ({ a, b, stun }) => {
    const enter = turnstile(AT_ONCE);
    const measure = async (url, work) => {
      const show = row("server", titleOf(url), url);
      const outcome = await enter(work);
      showOutcome(show, outcome);
      return outcome;
    };
    const sides = [a, b].map((servers) => servers.find(({ username }) => username));
    const urls = sides[0]?.urls ?? [];
    const [stuns, turns] = [
      stun.map((url) => measure(url, () => probe.stun(url))),
      urls.map((url, i) => measure(url, () => probe.turn(url, sides[i % 2]))),
    ];
    return { stun: await Promise.all(stuns), turn: await Promise.all(turns) };
  };

  // askRelay goes the best ways that were found.
  const askRelay = async ({ a, b }, turn) => {
    const show = row("relay", say("relay"));
    const urls = judge.best(turn);
    if (urls.length === 0) {
      show("skipped", "");
      return { ok: false };
    }
    const only = (servers) => [{ ...servers.find(({ username }) => username), urls }];
    const outcome = await probe.relay(only(a), only(b));
    showOutcome(show, outcome);
    if (outcome.ok) show(judge.state(outcome), say("over", { n: Math.max(1, Math.round(outcome.ms)), transport: (outcome.transport ?? "?").toUpperCase() }));
    return outcome;
  };

  const nothing = { ok: false, stun: [], a: [], b: [], from: "" };

  const measure = async () => {
    const webrtc = typeof RTCPeerConnection === "function";
    const socket = askWebSocket();
    const show = row("network", say("network"));
    const answer = { ...nothing, ...await ask() };
    if (answer.ok) show("ok", answer.from);
    else show("no", why(answer));
    const results = { webrtc, asked: answer.ok, network: answer.from, stun: [], turn: [], nat: "unmeasured", relay: { ok: false } };
    if (webrtc && answer.ok) {
      Object.assign(results, await askEach(answer));
      results.nat = await askNAT(results.stun);
      results.relay = await askRelay(answer, results.turn);
    }
    results.websocket = await socket;
    return results;
  };

  // copy puts the report where it can be pasted from; where the browser does not
  // allow that, as without TLS, the visitor takes it himself.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      byId("told").textContent = say("copied");
    } catch {
      const field = byId("by-hand");
      field.value = text;
      field.hidden = false;
      field.focus();
      field.select();
      byId("told").textContent = say("by_hand");
    }
  };

  byId("again").addEventListener("click", () => location.reload());
  measure().then((results) => {
    const verdict = judge.verdict(results);
    document.body.dataset.verdict = verdict;
    byId("verdict").textContent = say(`verdict_${verdict}`);
    document.body.dataset.state = "checked";
    byId("copy").disabled = false;
    const text = judge.report(results, navigator.userAgent, isSecureContext, new Date().toISOString().slice(0, 16) + "Z");
    byId("copy").addEventListener("click", () => copy(text));
  });
})();
