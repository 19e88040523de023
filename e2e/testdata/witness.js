// Keeps every RTCPeerConnection that the page makes, to ask the browser about
// it. Nothing else of the page changes.
(() => {
  const made = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      made.push(this);
    }
  };

  const candidate = (stats) => ({
    type: stats?.candidateType ?? "",
    address: stats?.address ?? "",
    relayProtocol: stats?.relayProtocol ?? "",
  });

  // witness describes the newest one; connection in witness_test.go reads it.
  window.witness = async () => {
    const pc = made.at(-1);
    const { iceServers, iceTransportPolicy } = pc.getConfiguration();
    const stats = await pc.getStats();
    const all = [...stats.values()];
    const pair = stats.get(all.find((s) => s.type === "transport")?.selectedCandidatePairId);
    return {
      policy: iceTransportPolicy,
      iceServers,
      local: candidate(stats.get(pair?.localCandidateId)),
      remote: candidate(stats.get(pair?.remoteCandidateId)),
      known: all.filter((s) => s.type === "remote-candidate").map(candidate),
    };
  };
})();
