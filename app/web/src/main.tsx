// The page: who is here, which view is shown, and the keys.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Counts, type Instance, type Me } from "./api.js";
import { enter, leave } from "./live.js";
import { Avatar, Dialog, Failed, Icon, Spinner, type IconName } from "./parts/basics.js";
import { Composer } from "./parts/composer.js";
import { Toasts } from "./parts/toasts.js";
import { go, place } from "./router.js";
import * as inbox from "./store/inbox.js";
import { kept, type Kept } from "./store/local.js";
import { HOME, peopleList, postList } from "./store/lists.js";
import { counts, instance, me, online, stream, unread } from "./store/session.js";
import { toast } from "./store/toasts.js";
import { t } from "./text.js";
import { theme } from "./theme.js";
import { Home, Local, Tag } from "./views/home.js";
import { Inbox } from "./views/inbox.js";
import { Keys, NotFound } from "./views/other.js";
import { ACTIVE, FindPeople } from "./views/people.js";
import { Person, People } from "./views/person.js";
import { Settings } from "./views/settings.js";
import { out, Sign } from "./views/sign.js";
import { Thread } from "./views/thread.js";

theme(); // before anything is painted

const trouble = signal(""); // why it is not known who is here

function View() {
  const { path } = place.value, who = me.value;
  if (who === undefined) return trouble.value ? <Failed text={trouble.value} retry={() => { trouble.value = ""; void meet(null); }} /> : <Spinner />;
  const [, first, second] = path.split("/");
  if (path === "/") return <Home />;
  if (first!.startsWith("@")) return <Person key={first} name={first!.slice(1)} part={second} />;
  if (first === "p") return <Thread key={second} id={second!} />;
  if (first === "tags") return <Tag tag={second!} />;
  if (first === "people") return <FindPeople />;
  if (first === "local") return <Local />;
  if (first === "login" || first === "register") return who ? <Home /> : <Sign anew={first === "register"} />;
  if (first === "notifications") return who ? <Inbox /> : <Sign anew={false} />;
  if (first === "settings") return who ? <Settings part={second ?? "profile"} /> : <Sign anew={false} />;
  return <NotFound />;
}

function Link({ to, icon, words, label, badge, here }: { to: string; icon: IconName; words: string; label?: string; badge?: number;
  here?: boolean }) {
  const on = here ?? place.value.path === to;
  return <a class="nav-link" href={to} aria-current={on ? "page" : undefined} aria-label={label ?? words} title={words}>
    <Icon name={icon} /><span class="words">{words}</span>
    {!!badge && <b class="badge">{counts.value?.capped ? "999+" : badge > 99 ? "99+" : badge}</b>}</a>;
}

function Nav({ write }: { write: () => void }) {
  const who = me.value;
  return <nav class="nav" aria-label={instance.value?.name ?? "Belfry"}>
    <a class="brand" href="/"><img src="/assets/bell.svg" alt="" width="28" height="28" /><span class="words">{instance.value?.name ?? "Belfry"}</span></a>
    <Link to="/" icon="home" words={t.nav.home} />
    {who && <Link to="/local" icon="globe" words={t.nav.local} />}
    <Link to="/people" icon="people" words={t.nav.people} />
    {who ? <>
      <Link to="/notifications" icon="bell" words={t.nav.notifications}
        label={t.nav.unread(unread.value, counts.value?.capped ?? false)} badge={unread.value} />
      <Link to={`/@${who.username}`} icon="person" words={t.nav.profile} />
      <Link to="/settings" icon="gear" words={t.nav.settings} here={place.value.path.startsWith("/settings")} />
      <button type="button" class="main write" aria-label={t.nav.write} onClick={write}><Icon name="pen" /><span class="words">{t.nav.write}</span></button>
      <div class="me"><a href={`/@${who.username}`} class="self"><Avatar of={who} size="s" /><span class="words" dir="auto">{who.display_name}</span></a>
        <State /><button type="button" class="plain out" aria-label={t.nav.logout} title={t.nav.logout} onClick={() => void out()}><Icon name="out" /></button></div>
    </> : who === null && <div class="row door"><a class="button" href="/login">{t.nav.login}</a></div>}
  </nav>;
}

/** Whether events arrive now. */
function State() {
  const live = stream.value === "live";
  return <span class={`state${live ? " on" : ""}`} title={live ? t.live : t.reconnecting}><span class="visually-hidden">{live ? t.live : t.reconnecting}</span></span>;
}

function Aside() {
  return <aside class="aside"><section><h2>{t.about.active}</h2><People list={peopleList(`${ACTIVE}?limit=5`)} empty={t.person.nobody} first />
    <p><a href="/people">{t.about.all}</a></p></section>
    <p class="quiet small">{instance.value?.name} {instance.value?.version} · <a href="/docs">{t.nav.api}</a></p></aside>;
}

function App() {
  const [keys, showKeys] = useState(false);
  const [writing, write] = useState(false);
  useEffect(() => shortcuts(() => showKeys(true), () => me.peek() && write(true)), []);
  const at = place.value.key;
  useEffect(() => { write(false); }, [at]);
  return <>
    <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")!.focus(); }}>{t.skip}</a>
    <div class="page">
      <Nav write={() => write(true)} />
      <main id="main" tabIndex={-1}>
        {!online.value && <p class="offline" role="status">{t.offline}</p>}
        <View key={me.value?.id} />
      </main>
      <Aside key={me.value?.id ?? ""} />
    </div>
    <Toasts />
    {keys && <Keys close={() => showKeys(false)} />}
    {writing && me.value && <Dialog label={t.nav.write} class="writing" close={() => write(false)}>
      <Composer at="post" autofocus done={(p) => {
        write(false);
        if (place.peek().path !== "/") toast(t.compose.posted, { href: `/p/${p.id}` });
      }} cancel={() => write(false)} /></Dialog>}
  </>;
}

const PREFIX = 1_500; // milliseconds in which the second key of "g h" has to come

/** Listens for keys until the returned function is called. */
function shortcuts(help: () => void, write: () => void): () => void {
  const typing = (e: KeyboardEvent) => (e.target as Element).closest("input,textarea,select,[contenteditable]") || document.querySelector("dialog[open]");
  const items = () => [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  const now = () => document.activeElement?.closest<HTMLElement>("[data-item]") ?? null;
  const step = (by: number) => {
    const all = items(), here = now();
    const at = here ? all.indexOf(here) + by : Math.max(0, all.findIndex((x) => x.getBoundingClientRect().bottom > 80));
    const to = all[Math.max(0, Math.min(all.length - 1, at))];
    if (to) { to.tabIndex = -1; to.focus({ preventScroll: true }); to.scrollIntoView({ block: "nearest" }); }
  };
  const press = (...what: string[]) => {
    for (const w of what) {
      const found = now()?.querySelector<HTMLElement>(w);
      if (found) return found.click();
    }
  };
  const keys: Record<string, () => void> = {
    j: () => step(1), k: () => step(-1), o: () => press("a.whole", ".meta a.time", "a.name"), l: () => press("button.like"),
    r: () => now() ? press(".reply", "a.comments") : document.querySelector<HTMLElement>("main .composer textarea")?.focus(), n: write, "?": help,
    "g h": () => go("/"), "g n": () => go("/notifications"), "g p": () => go("/people"), "g s": () => go("/settings"),
    "/": () => go("/people"),
  };
  let first = -PREFIX;
  const onKey = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e)) return;
    const second = e.timeStamp - first < PREFIX;
    first = e.key === "g" && !second ? e.timeStamp : -PREFIX;
    const does = keys[second ? `g ${e.key}` : e.key];
    if (!does) return;
    e.preventDefault();
    does();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}

/** Paints what the device kept, then asks who is here. */
async function start() {
  const early = get<Instance>("/v1/instance").then((x) => { instance.value = x; }, () => {});
  const k = await kept();
  if (k) {
    me.value = k.person;
    counts.value = k.counts;
    postList(HOME).fill(k.posts, k.position);
    inbox.fill(k.notes);
  }
  const root = document.getElementById("app")!;
  root.replaceChildren(); // what the server wrote for readers without script
  render(<App />, root);
  await meet(k);
  await early;
}

/** Asks who is here. k = what the device kept, which is painted already. */
async function meet(k: Kept | null) {
  try {
    const who = await get<Me>("/v1/me");
    const same = !!k && k.person.id === who.id;
    if (k && !same) leave();
    await enter(who, same ? k.position : null);
    if (same) {
      counts.value = await get<Counts>("/v1/notifications/counts");
      void postList(HOME).load(true);
    }
  } catch (err) {
    const status = (err as { status?: number }).status;
    if (status === 401 || status === 403) {
      leave();
      me.value = null;
    } else if (!k) trouble.value = (err as Error).message;
    else await enter(k.person, k.position, false).catch(() => {}); // offline: what was kept, and events when there is a way
  }
}

void start();
