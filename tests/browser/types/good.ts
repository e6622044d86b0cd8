// What must compile: the client as somebody uses it who knows its types and nothing else.
import { connect, RoomcastError, type Client, type ErrorCode, type Position, type RoomEvent } from "../../../src/web/roomcast.js";

interface Message {
  content: string;
}
const client: Client = connect("wss://chat.example.com/ws", {
  token: async () => (await fetch("/token")).text(),
  storage: sessionStorage,
  queue: 10,
});
const off: () => void = client.on("state", (state, why) => console.log(state === "waiting" ? why.retry_in_ms : why.code));
client.on("notification.new", (event) => console.log(event.data, event.seq + 1));
const room = client.join("11111111-1111-4111-8111-111111111111", { since: { epoch: "e", seq: 1 } });
room.on<Message>("message.posted", (event) => console.log(event.data.content.length));
room.on("chat.sold", ({ type, data }) => console.log(type, data.anything)); // a type of an operator's own
room.on("*", ({ type, data }) => type === "chat.message.posted" && console.log(data.content));
const codes: ErrorCode[] = ["FORBIDDEN", "ONE_OF_NEXT_YEAR"];
console.log(codes);
connect("/ws", { token: "t", WebSocket, storage: localStorage });
room.on("typing", ({ user_id, is_typing }) => console.log(user_id.length, is_typing === true));
room.on("presence", ({ is_online }) => console.log(!is_online));
room.on("lost", ({ epoch, seq }) => console.log(epoch + seq));
room.on("ended", ({ code }) => console.log(code));
async function all(): Promise<void> {
  const position: Position = await room.joined;
  const { online, count } = await room.presence();
  console.log(position, online.join(), count + 1);
  try {
    for await (const event of room) {
      const one: RoomEvent = event;
      console.log(one.type, one.chat_id?.length);
    }
  } catch (error) {
    if (error instanceof RoomcastError && error.temporary) console.log(error.code);
  }
}
void all().then(() => {
  room.typing();
  room.leave();
  off();
  client.close();
});
