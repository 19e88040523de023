// An application that uses the official SDK as its documentation shows, and
// writes down what happens to it: each event is an item of the list.
import { createConnection, defaultOptions } from "./ayame.mjs";

const log = (text) => {
  const item = document.createElement("li");
  item.textContent = text;
  document.getElementById("log").append(item);
};

let connection;
let channel;

const carry = (opened) => {
  channel = opened;
  channel.addEventListener("message", ({ data }) => log(`heard ${data}`));
  if (channel.readyState === "open") log("talking");
  else channel.addEventListener("open", () => log("talking"));
};

window.application = {
  // connect enters a room. The SDK has made its offer when connect resolves:
  // a DataChannel has to be made in the open event.
  connect: async (url, room, { relay = false, metadata = null, ...options }) => {
    const none = { direction: "recvonly", enabled: false };
    connection = createConnection(url, room, { ...defaultOptions, audio: none, video: none, ...options }, false, relay);
    connection.on("open", async ({ authzMetadata }) => {
      log(`open ${JSON.stringify(authzMetadata ?? null)}`);
      const made = await connection.createDataChannel("talk");
      if (made) carry(made);
    });
    connection.on("datachannel", carry);
    connection.on("bye", () => log("bye"));
    connection.on("disconnect", ({ reason }) => log(`disconnect ${reason}`));
    const connecting = connection.connect(null, metadata && { authnMetadata: metadata });
    connection.webSocket.addEventListener("close", () => log("socket closed"));
    await connecting.then(() => log("accepted"), (why) => log(`refused ${why}`));
  },
  say: (text) => channel.send(text),
  leave: () => connection.disconnect().then(() => log("left")),
};

document.body.dataset.state = "idle";
