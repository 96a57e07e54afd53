// Peer: npm's ws in a bare Node loop, recording nothing.
const WebSocket = require("ws");

const payload = Buffer.alloc(Number(process.env.PAYLOAD_BYTES), "x");
for (let place = 0; place < Number(process.env.CONNECTIONS); place++) {
  const socket = new WebSocket(process.env.URL, { perMessageDeflate: false });
  socket.on("open", () => socket.send(payload));
  socket.on("message", () => socket.send(payload));
}
