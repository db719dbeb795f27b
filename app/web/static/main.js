// The page: who is here, which view is shown, and what an event changes in it.

import { call, get, Problem } from "./api.js";
import { h, icon, toast } from "./dom.js";
import { begin, follow } from "./stream.js";
import { homeView, notificationsView, personView, postView, signInView } from "./views.js";

export const site = { me: null, counts: null, live: false };

let current = { element: null, onEvent: null };
let stopStream = null;
let countsTimer = 0;
const relations = new Map(); // user id -> promise of whether the bell is on

export async function go(path, push = true) {
  if (push && path !== location.pathname) history.pushState(null, "", path);
  await show();
}

async function show() {
  const main = document.getElementById("main");
  let view;
  try {
    const path = decodeURIComponent(location.pathname);
    if (!site.me) view = await signInView();
    else if (path === "/notifications") view = await notificationsView();
    else if (path.startsWith("/@")) view = await personView(path.slice(2));
    else if (path.startsWith("/p/")) view = await postView(path.slice(3));
    else view = await homeView();
  } catch (err) {
    if (err instanceof Problem && err.status === 401) { site.me = null; view = await signInView(); }
    else view = { element: h("div", { class: "card" }, h("h1", {}, err.status === 404 ? "Nothing is here" : "That did not work"), h("p", { class: "quiet" }, err.message)) };
  }
  current = view;
  main.replaceChildren(view.element);
  renderTop();
}

export function renderTop() {
  const top = document.getElementById("top");
  const brand = h("a", { class: "brand", href: "/" }, h("img", { src: "/assets/bell.svg", alt: "" }), "Belfry");
  if (!site.me) {
    top.replaceChildren(h("nav", {}, brand, h("a", { href: "/docs" }, "API")));
    return;
  }
  const unread = site.counts?.unread || 0;
  const find = h("input", { type: "search", placeholder: "Find @name", "aria-label": "Find a person by name" });
  const bell = h("button", { class: "bell", id: "bell", "aria-label": `Notifications, ${unread} unread`, onclick: () => go("/notifications") },
    icon("bell"), unread > 0 && h("b", {}, site.counts.capped ? "999+" : String(unread)));
  const out = h("button", { onclick: async () => { await call("POST", "/v1/auth/logout"); await leave(); } }, "Log out");
  top.replaceChildren(h("nav", {}, brand,
    h("span", { class: "state", id: "state", title: site.live ? "Events arrive live" : "Reconnecting" }, h("span", { class: site.live ? "dot on" : "dot" }), site.live ? "live" : "away"),
    h("form", { onsubmit: (e) => { e.preventDefault(); const name = find.value.trim().replace(/^@/, ""); if (name) go(`/@${name}`); } }, find),
    h("a", { href: `/@${site.me.username}` }, `@${site.me.username}`), bell, out));
}

// enter begins a signed-in visit: the counts first, with the cursor taken before them, then the stream.
export async function enter(me) {
  site.me = me;
  const { body, cursor } = await call("GET", "/v1/notifications/counts");
  site.counts = body;
  begin(me.id, cursor);
  stopStream = follow(me.id, cursor, onEvent, (live) => { site.live = live; renderTop(); });
  await show();
}

async function leave() {
  stopStream?.();
  stopStream = null;
  relations.clear();
  Object.assign(site, { me: null, counts: null, live: false });
  await go("/");
}

function onEvent(type, data) {
  switch (type) {
    case "ready":
      return;
    case "gap": // some events are gone: take the lists anew
      refreshCounts();
      show();
      return;
    case "bye":
      if (data.reason === "revoked") leave();
      return;
  }
  const event = data.data;
  if (type === "notification") ring(event.object?.id || event.id, event.text, local(event.url));
  if (type === "post.created" && event.author.id !== site.me.id) {
    bellIsOn(event.author.id).then((on) => on && ring(event.id, `\u2068${event.author.display_name}\u2069: ${event.text}`.slice(0, 140), `/p/${event.id}`));
  }
  if (type === "follow.changed") relations.delete(event.user_id);
  if (type === "user.deleted") relations.delete(event.id);
  if (type === "read_state") { site.counts = event.counts; renderTop(); }
  else if (type.startsWith("notification") || ["post.created", "post.deleted", "user.deleted"].includes(type)) refreshCounts();
  current.onEvent?.(type, event);
}

// ring shows one toast for one thing: a post that names me arrives both as a post and as a mention.
let rung = [];
function ring(about, text, href) {
  const now = Date.now();
  rung = rung.filter((r) => now - r.at < 5000);
  if (rung.some((r) => r.about === about && r.href === href)) return;
  rung.push({ about, href, at: now });
  toast(text, href);
}

function bellIsOn(userID) {
  if (!relations.has(userID)) {
    relations.set(userID, get(`/v1/users/${userID}`).then((u) => u.viewer?.follow === "following" && u.viewer.notify, () => false));
  }
  return relations.get(userID);
}

export function refreshCounts() {
  clearTimeout(countsTimer);
  countsTimer = setTimeout(async () => {
    if (!site.me) return;
    site.counts = await get("/v1/notifications/counts").catch(() => site.counts);
    renderTop();
  }, 120);
}

export function local(url) {
  const u = new URL(url || "/", location.href);
  return u.origin === location.origin || /^\/(p\/|@)/.test(u.pathname) ? u.pathname : u.href;
}

document.addEventListener("click", (event) => {
  const a = event.target.closest("a[href]");
  if (!a || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || a.target) return;
  const url = new URL(a.href);
  if (url.origin !== location.origin || !/^\/($|@|p\/|notifications)/.test(url.pathname)) return;
  event.preventDefault();
  go(url.pathname);
});
addEventListener("popstate", () => show());

try {
  await enter(await get("/v1/me"));
} catch (err) {
  if (err.status !== 401) toast(err.message);
  await show();
}
