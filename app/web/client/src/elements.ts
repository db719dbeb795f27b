// <belfry-bell> and <belfry-toast>: notifications on any page, by one script tag. All elements of a page with the same
// site and person share one connection.
//
//   <belfry-bell></belfry-bell>                                on pages of the site itself
//   <belfry-bell site="https://social.example"></belfry-bell>  elsewhere; then set its auth property, see connect.ts

import { connect, type Connection } from "./connect.js";
import { request, type Auth } from "./line.js";
import type { BelfryEvent, Gap } from "./events.js";

interface Listener {
  onEvent(e: BelfryEvent): void;
  onGap(g: Gap | null): void; // null = nothing was missed, but begin anew
}

/** One connection and whoever listens to it. */
class Shared {
  listeners = new Set<Listener>();
  #connection: Connection | null = null;
  constructor(readonly site: string, readonly auth: Auth) {}

  add(l: Listener) {
    this.listeners.add(l);
    this.#connection ??= connect({ url: this.site, auth: this.auth, person: "elements", types: ["notification", "read_state"],
      onEvent: (e) => this.listeners.forEach((x) => x.onEvent(e)), onGap: (g) => this.listeners.forEach((x) => x.onGap(g)) });
  }

  remove(l: Listener) {
    this.listeners.delete(l);
    if (this.listeners.size) return;
    this.#connection?.close();
    this.#connection = null;
  }
}

const shared = new Map<string, Shared>();
const home = document.currentScript instanceof HTMLScriptElement ? new URL(document.currentScript.src).origin
  : new URL(import.meta.url).origin;

abstract class Part extends HTMLElement implements Listener {
  #auth: Auth | null = null;
  #on: Shared | null = null;

  /** Origin of the site: that of the script, unless the attribute site names another. */
  get site() { return (this.getAttribute("site") || home).replace(/\/$/, ""); }

  /** How to prove who asks; on another origin nothing happens before it is set. */
  get auth(): Auth | null { return this.#auth ?? (this.site === location.origin ? "cookie" : null); }
  set auth(a: Auth | null) {
    this.#auth = a;
    if (this.isConnected) { this.disconnectedCallback(); this.connectedCallback(); }
  }

  connectedCallback() {
    if (!this.shadowRoot) this.build(this.attachShadow({ mode: "open" }));
    const auth = this.auth;
    if (!auth) return;
    const key = `${this.site} ${auth === "cookie" ? auth : JSON.stringify(auth)}`;
    if (!shared.has(key)) shared.set(key, new Shared(this.site, auth));
    this.#on = shared.get(key)!;
    this.#on.add(this);
    this.onGap(null);
  }

  disconnectedCallback() {
    this.#on?.remove(this);
    this.#on = null;
  }

  abstract build(root: ShadowRoot): void;
  abstract onEvent(e: BelfryEvent): void;
  abstract onGap(g: Gap | null): void;
}

const styled = (root: ShadowRoot, css: string) => {
  const sheet = new CSSStyleSheet(); // allowed where a content security policy forbids style elements
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
};

const BELL = "M12 3c-3.3 0-5.3 2.4-5.3 5.6 0 3.4-1 4.4-1.7 5.2-.4.5-.1 1.2.6 1.2h12.800c.7 0 1-.7.6-1.200-.7-.8-1.700-1.800-1.700-5.200C17.300 5.400 15.300 3 12 3zM10 17a2 2 0 0 0 4 0z";

/** A bell with the number of unread notifications; a click leads to them. */
class Bell extends Part {
  #link = document.createElement("a");
  #badge = document.createElement("b");
  #unread = 0;

  build(root: ShadowRoot) {
    styled(root, `a{position:relative;display:inline-block;color:inherit;padding:.35em;line-height:1}
      svg{width:1.4em;height:1.4em;display:block;fill:currentColor}
      b{position:absolute;top:-.2em;inset-inline-end:-.3em;min-width:1.5em;padding:.2em .35em;border-radius:1em;box-sizing:border-box;
        font:600 .7em system-ui,sans-serif;text-align:center;background:#b3261e;color:#fff}
      b:empty{display:none}`);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", BELL);
    svg.append(path);
    this.#link.append(svg, this.#badge);
    root.append(this.#link);
    this.#paint();
  }

  #paint() {
    this.#link.href = `${this.site}/notifications`;
    this.#badge.textContent = this.#unread ? (this.#unread > 99 ? "99+" : String(this.#unread)) : "";
    this.#link.setAttribute("aria-label", `${this.getAttribute("label") || "Notifications"}: ${this.#unread}`);
  }

  async #count() {
    if (!this.auth || (typeof this.auth === "object" && "ticket" in this.auth)) return;
    try {
      const { headers, credentials } = await request(this.auth);
      const answer = await fetch(`${this.site}/v1/notifications/counts`, { headers, credentials, cache: "no-store" });
      if (!answer.ok) return;
      this.#unread = (await answer.json()).unread;
      this.#paint();
    } catch { /* the next event or gap asks anew */ }
  }

  onGap() { void this.#count(); }

  onEvent(e: BelfryEvent) {
    if (e.type === "read_state") {
      this.#unread = e.data.counts.unread;
      return this.#paint();
    }
    if (e.type === "notification") {
      this.#unread++;
      this.#paint();
      this.dispatchEvent(new CustomEvent("belfry-notification", { detail: e.data, bubbles: true, composed: true }));
    } else void this.#count();
  }
}

const SECONDS = 6;

/** Shows each new notification for as long as a glance takes; it waits while the pointer or the focus is on it. */
class Toast extends Part {
  #box = document.createElement("div");

  build(root: ShadowRoot) {
    styled(root, `:host{position:fixed;inset-block-end:1rem;inset-inline-end:1rem;z-index:2147483000;display:block;
        width:min(22rem,calc(100vw - 2rem))}
      div{display:grid;gap:.5rem}
      a{display:block;padding:.7rem .9rem;border-radius:10px;background:#26201a;color:#faf7f2;font:15px/1.45 system-ui,sans-serif;
        text-decoration:none;box-shadow:0 6px 24px #0005;overflow-wrap:anywhere}
      a:focus-visible{outline:2px solid #e09a5d;outline-offset:2px}`);
    this.#box.setAttribute("role", "status");
    root.append(this.#box);
  }

  onGap() { /* what was missed is in the list, and no news */ }

  onEvent(e: BelfryEvent) {
    if (e.type !== "notification") return;
    const a = document.createElement("a");
    a.href = /^https?:/.test(e.data.url) ? e.data.url : this.site;
    a.textContent = e.data.text;
    a.dir = "auto";
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => clearTimeout(timer);
    const go = () => { clearTimeout(timer); timer = setTimeout(() => a.remove(), SECONDS * 1000); };
    a.onpointerenter = a.onfocus = wait;
    a.onpointerleave = a.onblur = go;
    this.#box.append(a);
    while (this.#box.children.length > 3) this.#box.firstChild!.remove();
    go();
  }
}

if (!customElements.get("belfry-bell")) {
  customElements.define("belfry-bell", Bell);
  customElements.define("belfry-toast", Toast);
}
