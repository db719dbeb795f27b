// The views. Each returns { element, onEvent }: the page puts the element in and passes events on.

import { call, get } from "./api.js";
import { guard, h, icon, put, rich, when } from "./dom.js";
import { enter, go, local, refreshCounts, renderTop, site } from "./main.js";

// count names a number of things: "1 post", "2 posts".
const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

export async function signInView() {
  const { registration } = await get("/v1/instance"); // open, invite or closed
  const invite = h("input", { name: "invite", autocomplete: "off" });
  const name = h("input", { name: "username", autocomplete: "username", autocapitalize: "none", required: true, minlength: 2, maxlength: 30 });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true, minlength: 8 });
  const error = h("p", { class: "error", role: "alert" });
  const login = h("button", { class: "main", type: "submit" }, "Log in");
  const register = h("button", { type: "button" }, "Make an account");
  const send = (path, input) => async () => {
    const { body } = await call("POST", path, input());
    await enter(body.user);
  };
  const form = h("form", {}, h("label", {}, "Name", name), h("label", {}, "Password (8 characters or more)", password),
    registration === "invite" && h("label", {}, "Invite, to make an account", invite),
    h("div", { class: "row" }, login, registration !== "closed" && register), error);
  form.addEventListener("submit", guard(login, error, send("/v1/auth/login", () => ({ login: name.value.trim(), password: password.value }))));
  register.addEventListener("click", (event) => {
    if (!form.reportValidity()) return;
    guard(register, error, send("/v1/auth/register", () => ({ username: name.value.trim(), password: password.value, ...(invite.value && { invite: invite.value.trim() }) })))(event);
  });
  return { element: h("section", { class: "card" }, h("h1", {}, "Welcome to Belfry"), h("p", { class: "quiet" }, "Whatever happens to you reaches you, live and in order."), form) };
}

// composer writes a post, or a comment when replyTo is given.
function composer(replyTo, done) {
  const text = h("textarea", { name: "text", maxlength: 5000, required: true, placeholder: replyTo ? "Write a comment" : "What is happening?", "aria-label": replyTo ? "Comment" : "Post" });
  const visibility = h("select", { "aria-label": "Who may see it" },
    h("option", { value: "public" }, "Everybody"), h("option", { value: "followers" }, "Followers"), h("option", { value: "mentioned" }, "People named"));
  const error = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "main", type: "submit" }, replyTo ? "Comment" : "Post");
  const form = h("form", { class: replyTo ? "composer" : "card composer" }, text, h("div", { class: "row" }, !replyTo && visibility, h("span", { class: "end" }), button), error);
  form.addEventListener("submit", guard(button, error, async () => {
    const input = replyTo ? { text: text.value, reply_to: replyTo } : { text: text.value, visibility: visibility.value };
    const { body } = await call("POST", "/v1/posts", input);
    text.value = "";
    done(body);
  }));
  return form;
}

function postCard(post, { open = false } = {}) {
  const mine = post.author?.id === site.me.id;
  const liked = { on: post.viewer?.liked || false, count: post.like_count };
  const like = h("button", { class: "plain like" });
  const paint = () => { like.replaceChildren(icon("heart"), ` ${liked.count}`); like.setAttribute("aria-pressed", liked.on); like.setAttribute("aria-label", `Like, ${liked.count}`); };
  like.addEventListener("click", guard(like, null, async () => {
    const { body } = await call(liked.on ? "DELETE" : "PUT", `/v1/posts/${post.id}/like`);
    liked.on = body.liked; liked.count = body.like_count;
    paint();
  }));
  paint();
  const card = h("article", { class: "card post" + (post.reply_to ? " comment" : ""), "data-id": post.id, "data-author": post.author?.id });
  if (post.deleted) {
    card.append(h("p", { class: "quiet" }, "This was deleted."));
    return card;
  }
  const comments = h("a", { href: `/p/${post.id}`, class: "quiet comments", "aria-label": `${post.comment_count} comments` }, icon("comment"), ` ${post.comment_count}`);
  const remove = mine && h("button", { class: "plain end" }, "Delete");
  remove && remove.addEventListener("click", guard(remove, null, async () => {
    if (!confirm("Delete this for everybody?")) return;
    await call("DELETE", `/v1/posts/${post.id}`);
    open ? go("/") : card.remove();
  }));
  put(card,
    h("div", { class: "who" }, h("a", { href: `/@${post.author.username}` }, post.author.display_name), h("span", {}, `@${post.author.username}`),
      h("a", { href: `/p/${post.id}` }, when(post.created_at)), post.visibility !== "public" && h("span", {}, post.visibility === "followers" ? "· followers" : "· people named")),
    post.warning && h("p", { class: "quiet" }, post.warning),
    h("div", { class: "text", dir: "auto" }, rich(post)),
    h("div", { class: "row" }, like, !post.reply_to && comments, remove));
  return card;
}

// pageOf fetches a page of a list. One may be empty and go on all the same: then it looks further, twenty times at most.
async function pageOf(path, cursor) {
  for (let left = 20; ; left--) {
    const page = await get(cursor ? `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : path);
    if (page.items.length || !page.next || !left) return page;
    cursor = page.next;
  }
}

// list shows a page of items and a button for the next one.
function list(page, path, render, empty) {
  const box = h("div", { class: "list" }, page.items.map(render));
  if (!page.items.length && !page.next) box.append(h("p", { class: "empty" }, empty));
  const more = h("button", {}, "Show more");
  let next = page.next;
  more.hidden = !next;
  more.addEventListener("click", guard(more, null, async () => {
    const p = await pageOf(path, next);
    box.append(...p.items.map(render));
    next = p.next;
    more.hidden = !next;
  }));
  const place = (item, first = true) => {
    box.querySelector(".empty")?.remove();
    const el = render(item);
    box.querySelector(`[data-id="${item.id}"]`)?.remove();
    el.classList.add("fresh");
    first ? box.prepend(el) : box.append(el);
  };
  // renew fetches a post that is shown and draws it again: its counts have changed.
  const renew = (id) => {
    const old = box.querySelector(`[data-id="${id}"]`);
    if (old) get(`/v1/posts/${id}`).then((p) => old.replaceWith(render(p)), () => old.remove());
  };
  return { element: h("div", {}, box, more), put: place, renew, drop: (id) => box.querySelector(`[data-id="${id}"]`)?.remove(),
    dropAuthor: (id) => box.querySelectorAll(`[data-author="${id}"]`).forEach((el) => el.remove()) };
}

export async function homeView() {
  const posts = list(await pageOf("/v1/timelines/home"), "/v1/timelines/home", (p) => postCard(p), "Quiet here. Write something, or find somebody by name and follow them.");
  return {
    element: h("section", {}, composer(null, (post) => posts.put(post)), posts.element),
    onEvent: (type, data) => {
      if (type === "post.created") posts.put(data);
      if (type === "post.deleted") posts.drop(data.id);
      if (type === "user.deleted") posts.dropAuthor(data.id);
      if (type.startsWith("notification") && data.object?.kind === "comment") {
        get(`/v1/posts/${data.object.id}`).then((c) => posts.renew(c.root_id), () => {});
      } else if (type.startsWith("notification") && data.object) posts.renew(data.object.id);
    },
  };
}

export async function personView(name) {
  const user = await get(`/v1/users/by-name/${encodeURIComponent(name)}`);
  const path = `/v1/users/${user.id}/posts`;
  const posts = list(await pageOf(path), path, (p) => postCard(p), "No posts yet.");
  const actions = h("div", { class: "row" });
  const set = (viewer) => { user.viewer = viewer; paint(); };
  const button = (label, pressed, method, input) => {
    const b = h("button", { "aria-pressed": String(pressed), class: pressed ? "" : "main" }, label);
    b.addEventListener("click", guard(b, null, async () => set((await call(method, `/v1/users/${user.id}/follow`, input)).body)));
    return b;
  };
  const paint = () => {
    if (!user.viewer) return;
    const on = user.viewer.follow === "following";
    const bell = on && h("button", { class: "plain", "aria-pressed": String(user.viewer.notify), "aria-label": "Tell me of new posts" }, icon(user.viewer.notify ? "bell" : "muted"), user.viewer.notify ? " told of posts" : " not told of posts");
    bell && bell.addEventListener("click", guard(bell, null, async () => set((await call("PUT", `/v1/users/${user.id}/follow`, { notify: !user.viewer.notify })).body)));
    actions.replaceChildren(...[on ? button("Unfollow", true, "DELETE") : button("Follow", false, "PUT", {}), bell, user.viewer.followed_by && h("span", { class: "quiet" }, "follows you")].filter(Boolean));
  };
  paint();
  return {
    element: h("section", {}, h("div", { class: "card" }, h("h1", {}, user.display_name), h("p", { class: "quiet" }, `@${user.username} · ${count(user.followers_count, "follower")} · follows ${user.following_count} · ${count(user.posts_count, "post")}`), user.bio && h("p", {}, user.bio), actions), posts.element),
    onEvent: (type, data) => {
      if (type === "post.created" && data.author.id === user.id) posts.put(data);
      if (type === "post.deleted") posts.drop(data.id);
      if (type === "user.deleted" && data.id === user.id) go(location.pathname, false);
      if (type === "follow.changed" && data.user_id === user.id) set(data);
    },
  };
}

export async function postView(id) {
  const post = await get(`/v1/posts/${encodeURIComponent(id)}`);
  const path = `/v1/posts/${post.root_id}/comments`;
  const comments = list(await pageOf(path), path, (c) => postCard(c), "No comments yet.");
  return {
    element: h("section", {}, postCard(post, { open: true }), composer(post.id, (c) => comments.put(c, false)), h("h2", {}, "Comments"), comments.element),
    onEvent: (type, data) => {
      if (type === "notification" && (data.type === "comment" || data.type === "reply") && data.object) {
        get(`/v1/posts/${data.object.id}`).then((c) => c.root_id === post.root_id && comments.put(c, false), () => {});
      }
      if (type === "user.deleted" && data.id === post.author?.id) go(location.pathname, false);
      if (type === "user.deleted") comments.dropAuthor(data.id);
    },
  };
}

function noteCard(note) {
  const card = h("a", { class: "card note" + (note.is_read ? "" : " unread"), href: local(note.url), "data-id": note.id },
    h("p", {}, note.text, " ", h("span", { class: "quiet" }, when(note.updated_at))), note.object && note.object.kind !== "user" && note.object.excerpt && h("p", { class: "excerpt" }, note.object.excerpt));
  card.addEventListener("click", () => { if (!note.is_read) call("PUT", `/v1/notifications/${note.id}/read`).then(refreshCounts, () => {}); });
  return card;
}

export async function notificationsView() {
  const path = "/v1/notifications?grouped=true";
  const page = await pageOf(path);
  const notes = list(page, path, noteCard, "Nothing yet. It will ring.");
  if (page.items.length) call("POST", "/v1/notifications/seen", { up_to: page.items[0].id }).catch(() => {});
  const all = h("button", {}, "Mark all read");
  all.disabled = !page.items.length;
  all.addEventListener("click", guard(all, null, async () => {
    const first = document.querySelector(".note");
    if (!first) return;
    site.counts = (await call("POST", "/v1/notifications/read", { up_to: first.dataset.id })).body;
    document.querySelectorAll(".note.unread").forEach((n) => n.classList.remove("unread"));
    renderTop();
  }));
  return {
    element: h("section", {}, h("div", { class: "row head" }, h("h1", {}, "Notifications"), h("span", { class: "end" }), all), notes.element),
    onEvent: (type, data) => {
      if (type === "notification" || type === "notification.updated") {
        notes.put(data);
        // What is seen because of a follow alone has its text in the list only.
        if (data.object && !data.object.excerpt) get(`/v1/notifications/${data.id}`).then((n) => notes.put(n), () => {});
      }
      if (type === "notification.removed" && data.id) notes.drop(data.id);
      if (type === "post.deleted") notes.drop(data.id);
      if (type === "user.deleted") go(location.pathname, false); // groups name others too
    },
  };
}
