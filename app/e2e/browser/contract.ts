// A client generated from the document. TestGeneratedClient compiles it, in which no cast may be needed and every line
// marked as an error has to be one, and runs it.
import createClient from "openapi-fetch";
import type { components, paths } from "api";

type Schemas = components["schemas"];

const [base, token] = process.argv.slice(2);
// Without the media types a page of events could as well be the text of a stream.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } });

// told is what an event says, by type.
function told(event: Schemas["Event"]): string {
  switch (event.type) {
    case "post.created":
    case "post.updated":
      return `${event.type} ${event.data.text} by ${event.data.author?.username}`;
    case "post.deleted":
      return `${event.type} ${event.data.id} ${event.data.deleted_at}`;
    case "user.deleted":
      return `${event.type} ${event.data.id}`;
    case "notification":
    case "notification.updated":
      return `${event.type} ${event.data.type} by ${event.data.actor?.username} of ${event.data.group.count}`;
    case "notification.removed":
      return `${event.type} ${event.data.id ?? event.data.object_id} ${event.data.group?.count}`;
    case "read_state":
      return `${event.type} ${event.data.change} ${event.data.ids?.length ?? 0} ${event.data.counts.unread}`;
    case "follow.changed":
      return `${event.type} ${event.data.follow} ${event.data.mute?.scope}`;
    default:
      return "";
  }
}

// heard is what a block of a stream says, by its name.
function heard(name: string, data: string): string {
  if (name === "ready") {
    const ready: Schemas["Ready"] = JSON.parse(data);
    return `ready ${ready.cursor?.length} ${ready.max_age_s}`;
  } else if (name === "gap") {
    const gap: Schemas["Gap"] = JSON.parse(data);
    return `gap ${gap.from?.length} ${gap.to} ${gap.reason} ${gap.heal.length}`;
  } else if (name === "bye") {
    const bye: Schemas["Bye"] = JSON.parse(data);
    return `bye ${bye.reason} ${bye.retry_ms?.toFixed()} ${bye.cursor?.length}`;
  }
  const event: Schemas["Event"] = JSON.parse(data);
  return told(event);
}

const page = await client.GET("/v1/events", { params: { query: { after: "oldest", posts: "all" } }, headers: { Accept: "application/json" } });
if (page.error) throw new Error(page.error.code);
if (!page.data) throw new Error("streams are switched off"); // 204, only where a stream was asked for
for (const event of page.data.items) console.log(told(event));

const home = await client.GET("/v1/timelines/home");
if (home.error) throw new Error(home.error.code);
for (const post of home.data.items) {
  // @ts-expect-error a top-level post answers nothing
  const above = (): string => post.reply_to.post_id;
  // @ts-expect-error in the place of a deleted comment is no author
  const name = (): string => post.author.username;
  console.log(`post ${post.text} ${post.reply_to?.post_id} ${post.author?.username} ${typeof above}${typeof name}`);
}

const stream = await client.GET("/v1/events", { headers: { Accept: "text/event-stream" }, parseAs: "stream" });
const reader = stream.data?.getReader();
const first = new TextDecoder().decode((await reader?.read())?.value);
await reader?.cancel();
console.log(heard(/^event: (.*)$/m.exec(first)?.[1] ?? "", /^data: (.*)$/m.exec(first)?.[1] ?? ""));

const nobody = await client.GET("/v1/users/by-name/{username}", { params: { path: { username: "nobody" } } });
console.log(nobody.error?.code === "not_found" ? "not found" : "found");
