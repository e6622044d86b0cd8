// Every line below its comment must be refused; tsc complains about a comment whose line is not.
import { connect } from "../../../src/web/roomcast.js";

const client = connect("/ws", { token: "t" });
const room = client.join("11111111-1111-4111-8111-111111111111");
// @ts-expect-error a token is needed
connect("/ws", {});
// @ts-expect-error it is a text or a function
connect("/ws", { token: 1 });
// @ts-expect-error no such state
client.on("state", (state) => state === "open");
// @ts-expect-error typing has a user, no author
room.on("typing", ({ author }) => author);
// @ts-expect-error a position has both
client.join("x", { since: { seq: 1 } });
// @ts-expect-error it is the client's to set
client.state = "closed";
// @ts-expect-error true or false
room.typing("yes");
// @ts-expect-error a listener is a function
room.on("message.posted", "listener");
// @ts-expect-error storage that is asynchronous
connect("/ws", { token: "t", storage: { getItem: async () => null, setItem: async () => {}, removeItem: async () => {} } });
// @ts-expect-error a code is a text
room.on("ended", ({ code }) => code === 4003);
