// Peer: k6's ws module, the one that every version has; it counts messages, and records round trips in a Trend.
import ws from "k6/ws";
import { Trend } from "k6/metrics";

export const options = { vus: Number(__ENV.CONNECTIONS), duration: "1h" };
const roundTrip = new Trend("round_trip", true);
const payload = "x".repeat(Number(__ENV.PAYLOAD_BYTES));

export default function () {
  ws.connect(__ENV.URL, {}, (socket) => {
    let sent;
    const send = () => {
      sent = Date.now();
      socket.send(payload);
    };
    socket.on("open", send);
    socket.on("message", () => {
      roundTrip.add(Date.now() - sent);
      send();
    });
  });
}
