// The client of somebody who has told the types what events carry. What must be refused says so; all else must compile.
import { connect, type AnyEvent, type RoomEvent } from "../../../src/web/roomcast.js";

declare module "../../../src/web/roomcast.js" {
  interface EventData {
    "chat.message.posted": { content: string };
    "task.updated": { status: "open" | "closed" };
    "notification.new": { title: string };
    "chat.joined": { by: string };
  }
}
const client = connect("/ws", { token: "t" });
const room = client.join("11111111-1111-4111-8111-111111111111");
room.on("message.posted", ({ type, data }) => console.log(type === "chat.message.posted", data.content.length));
room.on("chat.message.posted", ({ data }) => console.log(data.content.length));
room.on("task.updated", ({ data }) => console.log(data.status === "open"));
room.on("chat.joined", ({ data }) => console.log(data.by));
room.on("joined", ({ recovered }) => console.log(recovered));
client.on("notification.new", ({ data }) => console.log(data.title));
client.on("state", (state, why) => console.log(state, why.code));
function show(event: AnyEvent): string {
  switch (event.type) {
    case "chat.message.posted":
      return event.data.content;
    case "task.updated":
      return event.data.status;
    // @ts-expect-error events bear the server's spelling
    case "message.posted":
      return "";
    default:
      return event.type;
  }
}
room.on("*", (event) => show(event));
client.on("*", (event) => show(event));
async function all(): Promise<void> {
  for await (const event of room) console.log(show(event));
}
void all();
const message: RoomEvent<{ content: string }> = {} as Extract<AnyEvent, { type: "chat.message.posted" }>;
console.log(message);
// @ts-expect-error a slip of the pen
room.on("message.postd", () => 0);
// @ts-expect-error no such status
room.on("task.updated", ({ data }) => data.status === "done");
// @ts-expect-error it carries a title
client.on("notification.new", ({ data }) => data.content);
