// The package @belfry/client as npm packs it, in Node or Deno: over a token, over tickets, through a restart, until access
// ends. OPERATOR does to the site what its path says. Prints a line for each step and ends with "done".

import { after, connect, EVENT_TYPES } from "@belfry/client";

const [site, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const operate = async (what) => {
  if (!(await fetch(`${process.env.OPERATOR}/${what}`)).ok) throw new Error(what);
};
const check = (ok, what) => { if (!ok) throw new Error(what); };

/** A connection whose states and texts can be waited for. */
function listen(options) {
  const texts = [], ids = [], states = [], waiting = [];
  const look = () => waiting.filter((w) => w.when()).forEach((w) => w.done());
  const connection = connect({ url: site, posts: "all", types: ["post"],
    onEvent: (e) => { texts.push(e.data.text); ids.push(e.id); look(); },
    onState: (s) => { states.push(s); look(); }, ...options });
  const until = (when) => new Promise((done) => { waiting.push({ when, done }); look(); });
  return { connection, texts, ids, states, live: () => until(() => connection.state === "live"),
    ended: () => until(() => states.at(-1) === "ended"), heard: (text) => until(() => texts.at(-1) === text) };
}

check(EVENT_TYPES.includes("post.created") && after("7-10", "9-9") && !after("7-9", "9-9"), "the rest of the package");

let tickets = 0, given = 0;
const ticket = async () => {
  tickets++;
  const answer = await fetch(site + "/v1/stream-tickets", { method: "POST", headers });
  if (!answer.ok) throw Object.assign(new Error("no ticket"), { status: answer.status });
  return (await answer.json()).ticket;
};
const all = [listen({ auth: { token } }), listen({ auth: { token: async () => { given++; return token; } } }),
  listen({ auth: { ticket } })];
await Promise.all(all.map((x) => x.live()));
console.log("live", typeof EventSource === "undefined" ? "by fetch" : "by EventSource");
await operate("post?one");
await operate("post?two");
await Promise.all(all.map((x) => x.heard("two")));
await operate("restart");
await operate("post?three");
await operate("post?four");
await Promise.all(all.map((x) => x.heard("four")));
await operate("post?five");
await Promise.all(all.map((x) => x.heard("five")));
for (const x of all) check(x.texts.join() === "one,two,three,four,five", `heard ${x.texts}`);
check(tickets >= 2 && given >= 2, `${tickets} tickets, ${given} tokens: each stream takes a new one`);
console.log("through a restart, each once");

const late = listen({ auth: { token }, after: all[0].ids[1] });
await late.heard("five");
check(late.texts.join() === "three,four,five", `after a position: ${late.texts}`);
late.connection.close();
check(late.connection.state === "ended" && late.connection.position === all[0].ids[4], "closed");
console.log("after a position");

const lost = listen({ auth: { token }, after: "1-7", onGap: (gap) => gaps.push(gap) }), gaps = [];
await lost.live();
await operate("post?six");
await lost.heard("six");
check(gaps.length === 1 && gaps[0].reason === "epoch" && gaps[0].heal.length > 0, `gaps ${JSON.stringify(gaps)}`);
lost.connection.close();
console.log("a gap is told");

await operate("revoke");
await Promise.all(all.map((x) => x.ended()));
check(late.texts.length === 3 && lost.texts.length === 1, "a closed connection hears");
const never = [listen({ auth: { token } }), listen({ auth: { ticket } }),
  listen({ auth: { token: () => { throw Object.assign(new Error("signed out"), { status: 401 }); } } })];
await Promise.all(never.map((x) => x.ended()));
console.log("done");
