// Keeps every RTCPeerConnection that the page makes, to ask the browser about
// it, and every MATCH that comes on a WebSocket to /matchmaking. Nothing else of
// the page changes.
(() => {
  const made = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      made.push(this);
    }
  };

  const matches = [];
  window.WebSocket = class extends window.WebSocket {
    constructor(...args) {
      super(...args);
      if (new URL(this.url).pathname !== "/matchmaking") return;
      this.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "MATCH") matches.push(message);
      });
    }
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

  window.witness = { connection, matches };
})();
