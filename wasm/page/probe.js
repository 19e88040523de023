"use strict";

// probe.js measures one thing after the other; each of its functions promises an
// outcome, as verdict.js knows it, and none throws.

const probe = (() => {
  // TIMEOUT is how long one measurement may take, in milliseconds.
  const TIMEOUT = 5000;

  // PINGS is how many round trips are measured.
  const PINGS = 10;

  // What a socket of one family says of a server of the other one; it is no fault
  // of the network.
  const INCOMPATIBLE = /incompatible/i;

  // UNREACHABLE is the code of what comes to nothing; all others were said by a
  // server (W3C WebRTC §4.8.2).
  const UNREACHABLE = 701;

  const late = { ok: false, text: "timeout" };
  const failed = (err) => ({ ok: false, text: err?.name ?? String(err) });

  // within bounds what a measurement takes. When it is over, whatever way, undo
  // is called with what start has opened.
  const within = (start) => new Promise((resolve) => {
    const opened = [];
    const end = (outcome) => {
      clearTimeout(timer);
      for (const each of opened) each.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => end(late), TIMEOUT);
    const open = (each) => {
      opened.push(each);
      return each;
    };
    try {
      start(open, end);
    } catch (err) {
      end(failed(err));
    }
  });

  // websocket asks the lobby, as the page of the chat does when it has loaded.
  const websocket = () => within((open, end) => {
    const began = performance.now();
    const socket = open(new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/matchmaking`));
    socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "STANDBY" })));
    socket.addEventListener("message", () => end({ ok: true, ms: performance.now() - began }));
    socket.addEventListener("close", ({ code }) => end({ ok: false, code }));
  });

  // gather gathers candidates, until there is enough of them, all have come, or
  // it takes too long.
  const gather = async (iceServers, iceTransportPolicy, enough) => {
    const seen = { candidates: [], errors: [], complete: false };
    const outcome = await within((open, end) => {
      const began = performance.now();
      const pc = open(new RTCPeerConnection({ iceServers, iceTransportPolicy }));
      const over = () => end({ ok: true, ms: performance.now() - began });
      pc.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) {
          seen.candidates.push(candidate);
          if (enough(candidate)) over();
        } else if (!candidate) {
          seen.complete = true;
          over();
        }
      });
      pc.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
        if (!INCOMPATIBLE.test(errorText)) seen.errors.push({ code: errorCode, text: errorText });
      });
      pc.createDataChannel("check"); // without one, nothing is gathered
      pc.setLocalDescription().catch((err) => end(failed(err)));
    });
    return { ...seen, ...outcome };
  };

  // failure is why nothing came: what a server has said explains more than that
  // another interface could not reach it.
  const failure = ({ errors, text }) => ({ ok: false, text, ...errors.find(({ code }) => code !== UNREACHABLE) ?? errors.at(-1) });

  // stun asks one STUN server.
  const stun = async (url) => {
    const seen = await gather([{ urls: url }], "all", ({ type }) => type === "srflx");
    return { url, ...(judge.reached(url, seen) ? { ok: true, ms: seen.ms } : failure(seen)) };
  };

  // turn asks one TURN server for an allocation.
  const turn = async (url, { username, credential }) => {
    const seen = await gather([{ urls: url, username, credential }], "relay", () => true);
    return { url, ...(seen.candidates.length > 0 ? { ok: true, ms: seen.ms } : failure(seen)) };
  };

  // nat asks the STUN servers that have answered from one socket.
  const nat = async (stun) => {
    const urls = judge.forNAT(stun);
    if (urls.length === 0) return stun.length > 0 ? "blocked" : "unmeasured";
    return judge.nat(urls, await gather([{ urls }], "all", () => false));
  };

  // transport is how the nearer end comes to the relay.
  const transport = async (pc) => {
    const stats = await pc.getStats();
    const all = [...stats.values()];
    const pair = all.find((s) => s.type === "candidate-pair" && s.selected) // Firefox
      ?? stats.get(all.find((s) => s.type === "transport")?.selectedCandidatePairId);
    return stats.get(pair?.localCandidateId)?.relayProtocol;
  };

  const introduce = async (near, far) => {
    const to = (pc, ready) => ({ candidate }) => ready.then(() => candidate && pc.addIceCandidate(candidate)).catch(() => {});
    let known;
    const answered = new Promise((resolve) => { known = resolve; });
    near.addEventListener("icecandidate", to(far, answered));
    far.addEventListener("icecandidate", to(near, answered));
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription);
    known();
  };

  // relay talks to itself through the relay, from one side of a room to the other.
  const relay = (a, b) => within((open, end) => {
    const near = open(new RTCPeerConnection({ iceServers: a, iceTransportPolicy: "relay" }));
    const far = open(new RTCPeerConnection({ iceServers: b, iceTransportPolicy: "relay" }));
    far.addEventListener("datachannel", ({ channel }) => {
      channel.addEventListener("message", ({ data }) => channel.send(data));
    });
    const channel = near.createDataChannel("check");
    const times = [];
    let sent;
    const ping = () => {
      sent = performance.now();
      channel.send("ping");
    };
    channel.addEventListener("open", ping);
    channel.addEventListener("message", async () => {
      times.push(performance.now() - sent);
      if (times.length < PINGS) {
        ping();
        return;
      }
      end({ ok: true, ms: judge.median(times), transport: await transport(near).catch(() => undefined) });
    });
    introduce(near, far).catch((err) => end(failed(err)));
  });

  return { TIMEOUT, websocket, stun, turn, nat, relay };
})();
