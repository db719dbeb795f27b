// <belfry-bell> and <belfry-toast>: notifications on any page, by one script tag. Every site serves this file, with
// what it needs, as /belfry.js. The elements of a page with the same site and auth share one connection, and with the
// same person that of the page's other tabs.
//
//   <belfry-bell></belfry-bell>                                on pages of the site itself
//   <belfry-bell site="https://social.example"></belfry-bell>  elsewhere; then set its auth property, see Options.auth

import { connect, type Connection } from "./connect.js";
import { ask, type Auth } from "./line.js";
import { after } from "./position.js";
import type { BelfryEvent } from "./events.js";

export * from "./index.js";

/** One connection, the number of unread notifications, and whoever shows them. */
class Shared {
  #parts = new Set<Part>();
  #connection: Connection | null = null;
  #unread = 0; // at #at
  #at: string | null = null;
  #since: string[] = []; // notifications after #at

  constructor(readonly base: string, readonly auth: Auth, readonly person: string | undefined) {}

  get unread() { return this.#unread + this.#since.length; }

  add(part: Part) {
    this.#parts.add(part);
    this.#connection ??= connect({ url: this.base, auth: this.auth, person: this.person, posts: "none",
      types: ["notification", "read_state", "follow.changed", "user.deleted"],
      onEvent: (e) => this.#event(e), onGap: () => void this.#count(),
      onState: (state) => {
        if (state === "live") void this.#count(); // after the stream has begun, so that nothing falls in between
        this.#parts.forEach((p) => p.stateChanged(state));
      } });
    part.countChanged(this.unread);
  }

  remove(part: Part) {
    this.#parts.delete(part);
    if (this.#parts.size) return;
    this.#connection?.close();
    shared.delete(this);
  }

  #event(e: BelfryEvent) {
    if (e.type === "read_state") this.#stands(e.data.counts.unread, e.id);
    else if (e.type !== "notification") return void this.#count();
    else {
      if (after(e.id, this.#at)) this.#since.push(e.id);
      if (this.#since.length > 100) void this.#count();
      this.#parts.forEach((p) => p.arrived(e));
    }
    this.#parts.forEach((p) => p.countChanged(this.unread));
  }

  /** The number is true up to a position; what has come after it counts on top. */
  #stands(unread: number, at: string | null) {
    if (at && this.#at && after(this.#at, at)) return;
    this.#unread = unread;
    this.#at = at ?? this.#at;
    this.#since = this.#since.filter((id) => after(id, this.#at));
  }

  async #count() {
    if (typeof this.auth === "object" && "ticket" in this.auth) return; // it opens streams and nothing else
    try {
      const answer = await ask(this, "GET", "/v1/notifications/counts");
      if (!answer.ok) return;
      this.#stands((await answer.json()).unread, answer.headers.get("Belfry-Cursor"));
      this.#parts.forEach((p) => p.countChanged(this.unread));
    } catch { /* the connection tells what is wrong, and the number is asked for again when it is back */ }
  }
}

const shared = new Set<Shared>();
const home = new URL(import.meta.url).origin;

abstract class Part extends HTMLElement {
  #auth: Auth | null = null;
  #on: Shared | null = null;

  /** Origin of the site: that of this script, unless the attribute site names another. */
  get site(): string { return (this.getAttribute("site") || home).replace(/\/$/, ""); }

  /** How to prove who asks; on another origin nothing happens before it is set, and null ends it. */
  get auth(): Auth | null { return this.#auth ?? (this.site === location.origin ? "cookie" : null); }
  set auth(a: Auth | null) {
    this.#auth = a;
    if (!this.isConnected) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  connectedCallback() {
    if (!this.shadowRoot) this.build(this.attachShadow({ mode: "open" }));
    if (Object.hasOwn(this, "auth")) { // set before this script was here
      const { auth } = this;
      delete (this as { auth?: Auth | null }).auth;
      this.#auth = auth;
    }
    const { site, auth } = this, person = this.getAttribute("person") ?? undefined;
    if (!auth) return;
    this.#on = [...shared].find((s) => s.base === site && s.auth === auth && s.person === person) ?? null;
    if (!this.#on) shared.add(this.#on = new Shared(site, auth, person));
    this.#on.add(this);
  }

  disconnectedCallback() {
    this.#on?.remove(this);
    this.#on = null;
    this.countChanged(0);
  }

  /** Tells the page that access has ended: it has to sign the reader in again. */
  stateChanged(state: string) {
    this.dispatchEvent(new CustomEvent("belfry-state", { detail: state }));
  }

  build(_root: ShadowRoot) {}
  countChanged(_unread: number) {}
  arrived(_e: BelfryEvent & { type: "notification" }) {}
}

const styled = (root: ShadowRoot, css: string) => {
  const sheet = new CSSStyleSheet(); // allowed where a content security policy forbids style elements
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
};

const SVG = "http://www.w3.org/2000/svg";
const BELL = "M12 3c-3.3 0-5.3 2.4-5.3 5.6 0 3.4-1 4.4-1.7 5.2-.4.5-.1 1.2.6 1.2h12.8c.7 0 1-.7.6-1.2-.7-.8-1.7-1.8" +
  "-1.7-5.2C17.3 5.4 15.3 3 12 3zM10 17a2 2 0 0 0 4 0z";

/** A bell with the number of unread notifications; a click leads to them. */
export class BelfryBell extends Part {
  #link = document.createElement("a");
  #badge = document.createElement("b");

  override build(root: ShadowRoot) {
    styled(root, `a{position:relative;display:inline-block;color:inherit;padding:.35em;line-height:1}
      svg{width:1.4em;height:1.4em;display:block;fill:currentColor}
      b{position:absolute;top:-.2em;inset-inline-end:-.3em;min-width:1.5em;padding:.2em .35em;border-radius:1em;
        box-sizing:border-box;font:600 .7em system-ui,sans-serif;text-align:center;background:#b3261e;color:#fff}
      b:empty{display:none}`);
    const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", BELL);
    svg.append(path);
    this.#link.append(svg, this.#badge);
    root.append(this.#link);
    this.countChanged(0);
  }

  override countChanged(unread: number) {
    this.#link.href = `${this.site}/notifications`;
    this.#badge.textContent = unread ? (unread > 99 ? "99+" : String(unread)) : "";
    this.#link.setAttribute("aria-label", `${this.getAttribute("label") || "Notifications"}: ${unread}`);
  }

  /** For pages that want more than a number: belfry-notification with the notification. */
  override arrived(e: BelfryEvent & { type: "notification" }) {
    this.dispatchEvent(new CustomEvent("belfry-notification", { detail: e.data, bubbles: true, composed: true }));
  }
}

const SECONDS = 6, MOST = 3;

/** Shows each new notification for as long as a glance takes; it waits while the pointer or the focus is on it. */
export class BelfryToast extends Part {
  #box = document.createElement("div");

  override build(root: ShadowRoot) {
    styled(root, `:host{position:fixed;inset-block-end:1rem;inset-inline-end:1rem;z-index:2147483000;display:block;
        width:min(22rem,calc(100vw - 2rem))}
      div{display:grid;gap:.5rem}
      a{display:block;padding:.7rem .9rem;border-radius:10px;background:#26201a;color:#faf7f2;
        font:15px/1.45 system-ui,sans-serif;text-decoration:none;box-shadow:0 6px 24px #0005;overflow-wrap:anywhere}
      a:focus-visible{outline:2px solid #e09a5d;outline-offset:2px}`);
    this.#box.setAttribute("role", "status");
    root.append(this.#box);
  }

  override arrived({ data }: BelfryEvent & { type: "notification" }) {
    const a = document.createElement("a");
    a.href = /^https?:/.test(data.url) ? data.url : this.site;
    a.textContent = data.text;
    a.dir = "auto";
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => clearTimeout(timer);
    const go = () => { clearTimeout(timer); timer = setTimeout(() => a.remove(), SECONDS * 1000); };
    a.onpointerenter = a.onfocus = wait;
    a.onpointerleave = a.onblur = go;
    this.#box.append(a);
    while (this.#box.children.length > MOST) this.#box.firstChild!.remove();
    go();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "belfry-bell": BelfryBell;
    "belfry-toast": BelfryToast;
  }
}

if (!customElements.get("belfry-bell")) {
  customElements.define("belfry-bell", BelfryBell);
  customElements.define("belfry-toast", BelfryToast);
}
