// What an event changes. Everything that is shown comes from the stores, so this is the only place that knows events.

import { connect, type BelfryEvent, type Connection } from "../client/src/index.js";
import { call, get, onSignedOut, type Counts, type Me, type Note, type Post } from "./api.js";
import { ring, told } from "./bell.js";
import { counts, me, recount, stream } from "./store/session.js";
import { buryAuthor, buryPost, fetchPost, forget, keepPost, keepRelation, known, personOf, post } from "./store/objects.js";
import * as inbox from "./store/inbox.js";
import { everyList, forgetLists, HOME, listAt, LOCAL, postList, renew } from "./store/lists.js";
import { drop, dropShell, keep, keepShell } from "./store/local.js";
import { go } from "./router.js";
import { toast } from "./store/toasts.js";
import { t } from "./text.js";

let connection: Connection | null = null;

/** Begins a signed-in visit. position is where the kept state stands; null = everything is fetched anew. */
export async function enter(person: Me, position: string | null, sure = true) {
  if (me.peek() && me.peek()!.id !== person.id || me.peek() === null) { // what was fetched is how it looks to another
    forget();
    forgetLists();
    inbox.forgetInbox();
  }
  me.value = person;
  certain = sure;
  if (!position) {
    const { body, cursor } = await call<Counts>("GET", "/v1/notifications/counts");
    counts.value = body;
    position = cursor;
  }
  listen(person.id, position);
  void keepShell();
}

let certain = true; // what is shown was fetched, or its events have all come

function listen(person: string, position: string | null) {
  connection?.close();
  connection = connect({ person, after: position, posts: "all", hidden: told.peek() ? 0 : undefined, onEvent, onGap: anew,
    onState: (s) => {
      stream.value = s;
      if (s === "live" && !certain) anew();
      if (s === "ended") leave(t.sign.ended);
    } });
  stream.value = connection.state;
}

// Who wants to be told is told also after hours that nobody looks.
told.subscribe(() => { if (connection && me.peek()) listen(me.peek()!.id, connection.position); });

/** Ends the visit on this page, which stays where it is. Drafts stay. */
export function leave(words = "") {
  if (!me.peek()) return;
  connection?.close();
  connection = null;
  me.value = null;
  counts.value = stream.value = null;
  forget();
  forgetLists();
  inbox.forgetInbox();
  void drop();
  void dropShell();
  if (words) toast(words);
}

/** Tells the other tabs as well. */
export function leaveEverywhere() {
  connection?.end();
  leave();
  go("/", true);
}

onSignedOut.call = () => leave(t.sign.ended);

/** After a gap nobody knows what was missed: what is shown is fetched anew. */
function anew() {
  certain = true;
  recount();
  renew();
  if (inbox.phase.peek() !== "empty") void inbox.load();
}

function onEvent(e: BelfryEvent) {
  switch (e.type) {
    case "notification":
      inbox.arrive(e.data, true);
      recount();
      about(e.data);
      return ring(e.data);
    case "notification.updated":
      inbox.arrive(e.data, false);
      recount();
      return about(e.data);
    case "notification.removed":
      inbox.removed(e.data);
      return recount();
    case "read_state":
      return inbox.marked(e.data);
    case "follow.changed":
      keepRelation(e.data);
      if (e.data.blocking || e.data.mute) {
        renew();
        recount();
      }
      return;
    case "post.created":
      return published(e.data as Post);
    case "post.updated":
      if (known(e.data.id)) keepPost(e.data as Post);
      return;
    case "post.deleted":
      buryPost(e.data.id);
      everyList((l) => l.drop(e.data.id));
      return inbox.dropPost(e.data.id);
    case "user.deleted":
      buryAuthor(e.data.id);
      recount();
      if (inbox.phase.peek() !== "empty") void inbox.load();
  }
}

function published(p: Post) {
  const id = keepPost(p), mine = p.author?.id === me.peek()?.id;
  const lists = [HOME, ...(p.visibility === "public" ? [LOCAL] : []), `/v1/users/${p.author!.id}/posts`];
  for (const path of lists) {
    if (mine) listAt(path)?.put(id);
    else listAt(path)?.offer(id);
  }
  if (mine) return;
  personOf(p.author!.id).then((u) => {
    if (!u.viewer?.notify) return;
    ring(p);
    recount();
    inbox.later(); // it stands there, and its event does not say how
  }, () => {});
}

/** A notification tells that a post's counts have moved, or that something stands below it. */
function about(x: Note) {
  if (!x.object || x.object.kind === "user") return;
  if (x.object.kind === "comment") {
    get<Post>(`/v1/posts/${x.object.id}`).then((c) => {
      keepPost(c);
      const l = listAt(`/v1/posts/${c.root_id}/comments`);
      if (l && !l.more.peek()) l.put(c.id, true);
      if (known(c.root_id)) void fetchPost(c.root_id);
    }, () => {});
  } else if (known(x.object.id)) void fetchPost(x.object.id).catch(() => {});
}

/** Keeps what the next visit paints first. */
export async function remember() {
  const who = me.peek(), position = connection?.position, home = postList(HOME);
  if (!who || !position || !counts.peek() || home.phase.peek() !== "ready") return;
  const posts = home.ids.peek().slice(0, 20).flatMap((id) => (known(id) ? [postOf(id)] : []));
  const notes = inbox.filter.peek() === "all" ? inbox.notes.peek().slice(0, 20) : [];
  await keep({ person: who, posts, notes: [...notes], counts: counts.peek()!, position });
}

const postOf = (id: string): Post => post(id).peek()!;

addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") void remember(); });
