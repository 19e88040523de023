"use strict";

// verdict.js makes something of what probe.js has measured. It touches neither
// the page nor the network.
//
// What all of it works on, results:
//
//   webrtc      has this browser got it?
//   asked       has the server said where its relay is?
//   websocket   an outcome
//   stun, turn  outcomes, one for each URL
//   nat         "open", "keeps", "changes", "unmeasured" or "blocked"
//   relay       the outcome of a round trip through the relay, with its transport
//   network     the visitor's address as the server sees it, cut
//
// An outcome is { ok, ms, code, text, url }: how long it took if it went well; if
// not, the code and text of the icecandidateerror, if there was one.

const judge = (() => {
  // SLOW is from when on an answer is slow, in milliseconds.
  const SLOW = 1000;

  // The codes of a relay that refuses (RFC 8489 §14.8, RFC 8656 §19).
  const UNAUTHORIZED = 401;
  const STALE_NONCE = 438;
  const QUOTA_REACHED = 486;
  const INSUFFICIENT_CAPACITY = 508;

  // state is "ok", "slow" or "no".
  const state = ({ ok, ms }) => {
    if (!ok) return "no";
    return ms > SLOW ? "slow" : "ok";
  };

  // parse takes the URL of a server apart (RFC 7064, RFC 7065).
  const parse = (url) => {
    const [, scheme, host, port, query] = /^(stuns?|turns?):(\[[^\]]*\]|[^:?]*)(?::(\d+))?(?:\?transport=(\w+))?$/.exec(url) ?? [];
    const secure = scheme?.endsWith("s");
    const family = /^\[/.test(host) ? "IPv6" : /^[\d.]+$/.test(host) ? "IPv4" : "";
    return {
      kind: scheme?.replace(/s$/, "") ?? "",
      host,
      port: Number(port ?? (secure ? 5349 : 3478)),
      transport: secure ? "tls" : query ?? "udp",
      family,
    };
  };

  // best are the URLs by which the relay was reached, over the transport that a
  // chat would use in the end: what a browser finds first is luck.
  const best = (turn) => {
    const reachable = turn.filter(({ ok }) => ok).map(({ url }) => url);
    for (const transport of ["udp", "tcp", "tls"]) {
      const urls = reachable.filter((url) => parse(url).transport === transport);
      if (urls.length > 0) return urls;
    }
    return [];
  };

  // verdict is one of the sentences that there are.
  const verdict = ({ webrtc, asked, websocket, stun, turn, nat, relay }) => {
    const udp = stun.some(({ ok }) => ok);
    const [way] = best(turn);
    if (!webrtc) return "no_webrtc";
    if (!asked) return "not_asked"; // and nothing else was measured
    if (!websocket.ok) return udp || way ? "no_websocket" : "page_only";
    if (turn.length === 0) return "no_relay";
    if (!way) {
      const codes = turn.map(({ code }) => code);
      if (codes.some((code) => code === UNAUTHORIZED || code === STALE_NONCE)) return "refused";
      if (codes.some((code) => code === QUOTA_REACHED || code === INSUFFICIENT_CAPACITY)) return "full";
      return udp ? "direct_only" : "page_only";
    }
    if (!relay.ok) return "silent";
    const { transport } = parse(way);
    return udp && nat !== "changes" && transport === "udp" ? "good" : `relay_${transport}`;
  };

  // shows reports whether a browser that does not hide its addresses has one of
  // the family of a URL. Where there is no NAT, Chromium then reports no
  // server-reflexive candidate: it would be the same as the host candidate.
  const shows = (url, candidates) => {
    const { family } = parse(url);
    return candidates.some(({ type, protocol, address }) => type === "host" && protocol === "udp" && address && !address.endsWith(".local")
      && (!family || (family === "IPv6") === address.includes(":")));
  };

  // reached reports whether a STUN server has answered.
  const reached = (url, { candidates, complete, errors }) =>
    candidates.some(({ type }) => type === "srflx") || complete && errors.length === 0 && shows(url, candidates);

  // forNAT are the STUN URLs, of those that have answered, with which to look at
  // the NAT: all of one host, if possible of one with two ports.
  const forNAT = (stun) => {
    const urls = stun.filter(({ ok }) => ok).map(({ url }) => url);
    const hosts = urls.map((url) => parse(url).host);
    const host = hosts.find((each, i) => hosts.indexOf(each) !== i) ?? hosts[0];
    return urls.filter((url) => parse(url).host === host);
  };

  // nat tells what a NAT does with the port when one socket asks the STUN ports of
  // one host, all of which can be reached.
  const nat = (urls, { candidates, complete, errors }) => {
    const reflexive = candidates.filter(({ type }) => type === "srflx");
    const same = ({ address, port }) => candidates.some((host) => host.type === "host" && host.address === address && host.port === port);
    const answered = complete && errors.length === 0;
    if (reflexive.length === 0) return answered && shows(urls[0], candidates) ? "open" : "unmeasured";
    if (reflexive.every(same)) return "open";
    const ports = new Map(); // that one base has, seen from outside
    for (const { address, port, relatedAddress, relatedPort } of reflexive) {
      const base = [address, relatedAddress, relatedPort].join(" ");
      ports.set(base, (ports.get(base) ?? new Set()).add(port));
    }
    if ([...ports.values()].some(({ size }) => size > 1)) return "changes";
    return urls.length > 1 && answered ? "keeps" : "unmeasured";
  };

  const median = (numbers) => {
    const sorted = numbers.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };

  // browser names a browser by its User-Agent header.
  const browser = (agent) => {
    for (const [name, pattern] of [
      ["Edge", /\bEdg\w*\/(\d+)/], ["Opera", /\bOPR\/(\d+)/], ["Samsung Internet", /\bSamsungBrowser\/(\d+)/],
      ["Firefox", /\b(?:Firefox|FxiOS)\/(\d+)/], ["Chrome", /\b(?:Headless)?(?:Chrome|CriOS)\/(\d+)/], ["Safari", /\bVersion\/(\d+)[\d.]* (?:Mobile\/\w+ )?Safari/],
    ]) {
      const found = pattern.exec(agent);
      if (found) return `${name} ${found[1]}`;
    }
    return "another browser";
  };

  // bare is a text without IP addresses.
  const bare = (text) => text.replace(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, "(IPv4)").replace(/(?<![\w:])(?=(?:[\da-f]*:){2})[\da-f:]{3,}(?![\w:])/gi, "(IPv6)");

  const label = (url) => {
    const { kind, port, transport, family } = parse(url);
    return [kind.toUpperCase(), transport, port, family].filter(Boolean).join(" ");
  };

  const line = (name, outcome) => {
    const { ok, ms, code, text, transport } = outcome;
    const details = ok ? [`${Math.max(1, Math.round(ms))} ms`, transport] : [code, text && bare(text)];
    return [`${name}:`, state(outcome), ...details.filter(Boolean)].join(" ");
  };

  // report is for somebody who helps: in English, without credentials and
  // without addresses, but for the cut one of the visitor's network.
  const report = (results, agent, secure, time) => [
    `WasmP2PChat connection check, ${time}`,
    `Browser: ${browser(agent)}, ${secure ? "https" : "http"}${results.webrtc ? "" : ", no WebRTC"}`,
    `Network: ${results.network || "not known"}`,
    line("WebSocket", results.websocket),
    ...results.stun.concat(results.turn).map((outcome) => line(label(outcome.url), outcome)),
    `NAT: ${results.nat}`,
    line("Relay", results.relay),
    `Verdict: ${verdict(results)}`,
  ].join("\n");

  return { SLOW, state, parse, best, verdict, reached, forNAT, nat, median, browser, report };
})();
