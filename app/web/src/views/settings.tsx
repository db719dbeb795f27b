// Settings: profile, password and sessions, tokens, webhooks, appearance.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, askNoMore, title, told } from "../bell.js";
import { call, get, key, prepared, upload, type Me, type Page } from "../api.js";
import { Act, Avatar, cut, Icon, Spinner, Time } from "../parts/basics.js";
import { fetchPerson } from "../store/objects.js";
import { instance, me } from "../store/session.js";
import { toast } from "../store/toasts.js";
import { t } from "../text.js";
import { chosen, choose, type Theme } from "../theme.js";
import { out } from "./sign.js";

const s = t.settings;
const PARTS = { profile: s.profile, security: s.security, tokens: s.tokens, webhooks: s.endpoints, appearance: s.appearance };
type Part = keyof typeof PARTS;

export function Settings({ part }: { part: string }) {
  const here = (part in PARTS ? part : "profile") as Part;
  useEffect(() => title(`${s.title}: ${PARTS[here]}`), [here]);
  return <>
    <div class="row"><h1>{s.title}</h1><span class="end" />
      <button type="button" class="phone" onClick={() => void out()}>{t.nav.logout}</button></div>
    <div class="tabs">{(Object.keys(PARTS) as Part[]).map((p) => <a key={p} href={p === "profile" ? "/settings" : `/settings/${p}`}
      aria-current={p === here ? "page" : undefined}>{PARTS[p]}</a>)}</div>
    {here === "profile" ? <Profile /> : here === "security" ? <Security /> : here === "tokens" ? <Tokens />
      : here === "webhooks" ? <Webhooks /> : <Appearance />}
  </>;
}

/** A form that sends and says what came of it. */
function Form({ send, words, children }: { send: () => Promise<unknown>; words: string; children: ComponentChildren }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  return <form class="card" onSubmit={async (e) => {
    e.preventDefault();
    setBusy(true);
    setProblem("");
    try { await send(); } catch (err) { setProblem((err as Error).message); } finally { setBusy(false); }
  }}>{children}{problem && <p class="error" role="alert">{problem}</p>}
    <div class="row"><button type="submit" class="main" disabled={busy}>{words}</button></div></form>;
}

/** A list that is fetched whole; these are short. */
function useAll<T>(path: string): [T[] | null, () => Promise<void>, (f: (l: T[]) => T[]) => void] {
  const [list, set] = useState<T[] | null>(null);
  const load = async () => {
    const all: T[] = [];
    for (let next: string | null = null, left = 20; left; left--) {
      const page: Page<T> = await get<Page<T>>(`${path}?limit=100${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
      all.push(...page.items);
      if (!(next = page.next)) break;
    }
    set(all);
  };
  useEffect(() => { load().catch((err) => { set([]); toast(err.message); }); }, [path]);
  return [list, load, (f) => set((l) => l && f(l))];
}

function Profile() {
  const who = me.value!;
  const [name, setName] = useState(who.display_name);
  const [bio, setBio] = useState(who.bio);
  const [email, setEmail] = useState(who.email ?? "");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [percent, setPercent] = useState<number | null>(null);
  const limits = instance.value?.limits;
  const changed = (x: Me) => { me.value = x; void fetchPerson(x.username); };
  const picture = async (f: File | undefined) => {
    if (!f) return;
    setProblem("");
    try {
      const m = await prepared(await upload(f, key(), setPercent));
      changed((await call<Me>("PATCH", "/v1/me", { avatar_media_id: m.id })).body);
    } catch (err) { setProblem((err as Error).message); } finally { setPercent(null); }
  };
  return <>
    {instance.value?.features.media && <section class="card row">
      <Avatar of={who} size="l" />
      <label class="button">{percent !== null ? t.compose.uploading(percent) : s.changeAvatar}
        <input type="file" class="visually-hidden" data-testid="avatar" accept={limits?.mime_types.join(",")}
          onChange={(e) => void picture(e.currentTarget.files?.[0])} /></label>
      {who.avatar_url && <Act fails={setProblem} does={async () =>
        changed((await call<Me>("PATCH", "/v1/me", { avatar_media_id: null })).body)}>{t.remove}</Act>}
      {problem && <p class="error" role="alert">{problem}</p>}
    </section>}
    <Form words={t.save} send={async () => {
      changed((await call<Me>("PATCH", "/v1/me", { display_name: name, bio })).body);
      toast(t.saved);
    }}>
      <label>{s.displayName}<input value={name} dir="auto" onInput={(e) => setName(cut(e.currentTarget, limits?.display_name))} /></label>
      <label>{s.bio}<textarea value={bio} rows={4} dir="auto" onInput={(e) => setBio(cut(e.currentTarget, limits?.bio))} /></label>
    </Form>
    <Form words={t.save} send={async () => {
      changed((await call<Me>("PATCH", "/v1/me", { email: email.trim() || null, current_password: password })).body);
      setPassword("");
      toast(t.saved);
    }}>
      <label>{s.email}<input type="email" value={email} autocomplete="email" onInput={(e) => setEmail(e.currentTarget.value)} /></label>
      <label>{s.emailPassword}<input type="password" value={password} required autocomplete="current-password"
        onInput={(e) => setPassword(e.currentTarget.value)} /></label>
    </Form>
  </>;
}

interface SessionRow { id: string; current: boolean; user_agent: string; address: string; last_used_at: string }

const BROWSERS = ["Edge", "OPR", "Firefox", "Chrome", "Safari"], SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac", "CrOS", "Linux"];

/** A browser and its system, as far as they are known. */
function agent(raw: string): string {
  const x = raw.replace(/Edg\w*|(Fx|Cr)iOS/, (w) => ({ FxiOS: "Firefox", CriOS: "Chrome" })[w] ?? "Edge");
  const known = (all: string[]) => all.find((w) => x.includes(w));
  const browser = known(BROWSERS), system = known(SYSTEMS);
  return browser && system ? s.agent(browser.replace("OPR", "Opera"), system.replace("CrOS", "ChromeOS")) : raw.slice(0, 60) || "?";
}

function Security() {
  const [now, setNow] = useState("");
  const [next, setNext] = useState("");
  const [tokens, setTokens] = useState(true);
  const [problem, setProblem] = useState("");
  const [list, load] = useAll<SessionRow>("/v1/auth/sessions");
  return <>
    <Form words={s.password} send={async () => {
      await call("POST", "/v1/auth/password", { current_password: now, new_password: next, revoke_tokens: tokens });
      setNow("");
      setNext("");
      toast(s.changed);
      await load();
    }}>
      <h2>{s.password}</h2>
      <input type="text" hidden autocomplete="username" value={me.value!.username} readOnly />
      <label>{s.current}<input type="password" required value={now} autocomplete="current-password" onInput={(e) => setNow(e.currentTarget.value)} /></label>
      <label>{s.next}<input type="password" required minLength={8} value={next} autocomplete="new-password" onInput={(e) => setNext(e.currentTarget.value)} /></label>
      <label class="check"><input type="checkbox" checked={tokens} onChange={(e) => setTokens(e.currentTarget.checked)} /> {s.revokeTokens}</label>
    </Form>
    <section class="card"><h2>{s.sessions}</h2>
      {problem && <p class="error" role="alert">{problem}</p>}
      {!list ? <Spinner /> : <ul class="rows">{list.map((x) => <li key={x.id}>
        <div class="words"><span dir="auto" title={x.user_agent}>{agent(x.user_agent)}</span>{x.current && <b class="tag">{s.thisOne}</b>}
          <p class="quiet">{x.address} · <Time at={x.last_used_at} /></p></div>
        {!x.current && <Act fails={setProblem} does={async () => { await call("DELETE", `/v1/auth/sessions/${x.id}`); await load(); }}>{s.endSession}</Act>}
      </li>)}</ul>}
    </section>
  </>;
}

/** Something that is shown once. */
function Once({ words, text, close }: { words: string; text: string; close: () => void }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => ref.current!.focus(), []); // which says it, too
  return <div class="once" ref={ref} tabIndex={-1}><p>{words}</p><code>{text}</code><div class="row">
    <button type="button" onClick={() => void navigator.clipboard?.writeText(text).then(() => toast(t.copied))}>{s.copy}</button>
    <button type="button" onClick={close}>{t.close}</button></div></div>;
}

interface TokenRow { id: string; name: string; scopes: string[]; token: string | null; last_used_at: string | null; created_at: string }

function Tokens() {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["read", "events"]);
  const [made, setMade] = useState("");
  const [problem, setProblem] = useState("");
  const [list, load] = useAll<TokenRow>("/v1/tokens");
  return <>
    <Form words={s.makeToken} send={async () => {
      setMade((await call<TokenRow>("POST", "/v1/tokens", { name, scopes })).body.token ?? "");
      setName("");
      await load();
    }}>
      <p class="quiet">{s.tokensLead}</p>
      <label>{s.tokenName}<input value={name} required onInput={(e) => setName(cut(e.currentTarget, 60))} /></label>
      <fieldset><legend>{s.scopes}</legend>{Object.entries(s.scopeNames).map(([x, words]) => <label class="check" key={x}>
        <input type="checkbox" checked={scopes.includes(x)} onChange={(e) =>
          setScopes(e.currentTarget.checked ? [...scopes, x] : scopes.filter((y) => y !== x))} /> {words}</label>)}</fieldset>
      {made && <Once words={s.tokenOnce} text={made} close={() => setMade("")} />}
    </Form>
    <section class="card">{problem && <p class="error" role="alert">{problem}</p>}
      {!list ? <Spinner /> : !list.length ? <p class="quiet">{s.noTokens}</p> : <ul class="rows">{list.map((x) => <li key={x.id}>
        <div class="words"><span dir="auto">{x.name}</span><p class="quiet">{x.scopes.map((y) => s.scopeNames[y] ?? y).join(", ")} · <Time at={x.last_used_at ?? x.created_at} /></p></div>
        <Act class="danger" fails={setProblem} does={async () => { await call("DELETE", `/v1/tokens/${x.id}`); await load(); }}>{t.remove}</Act></li>)}</ul>}
    </section>
  </>;
}

interface EndpointRow { id: string; name: string | null; channel: string; settings: { url?: string }; enabled: boolean; state: string; disabled_reason: string | null; secret: string | null }
interface DeliveryRow { id: string; event_type: string; state: string; created_at: string; attempts: { number: number; outcome: string; http_status: number | null; detail: string }[] }

function Webhooks() {
  const [url, setURL] = useState("");
  const [secret, setSecret] = useState("");
  const [problem, setProblem] = useState("");
  const [list, load] = useAll<EndpointRow>("/v1/me/endpoints");
  return <>
    <Form words={s.addEndpoint} send={async () => {
      const { body } = await call<EndpointRow>("POST", "/v1/me/endpoints", { channel: "webhook", settings: { url: url.trim() } });
      setSecret(body.secret ?? "");
      setURL("");
      await load();
    }}>
      <p class="quiet">{s.endpointsLead}</p>
      <label>{s.endpointURL}<input type="url" required value={url} placeholder="https://" onInput={(e) => setURL(e.currentTarget.value)} /></label>
      {secret && <Once words={s.secretOnce} text={secret} close={() => setSecret("")} />}
    </Form>
    {problem && <p class="error" role="alert">{problem}</p>}
    {!list ? <Spinner /> : !list.length ? <p class="card quiet">{s.noEndpoints}</p>
      : list.map((e) => <Endpoint key={e.id} of={e} load={load} fails={setProblem} />)}
  </>;
}

function Endpoint({ of: e, load, fails }: { of: EndpointRow; load: () => Promise<void>; fails: (s: string) => void }) {
  const [open, set] = useState(false);
  const path = `/v1/me/endpoints/${e.id}`;
  return <section class="card endpoint">
    <p class="words"><b dir="ltr">{e.settings.url ?? e.channel}</b> <span class={`tag ${e.state}`}>{s.state[e.state] ?? e.state}</span></p>
    <div class="row">
      <Act fails={fails} does={async () => { await call("POST", `${path}/test`); set(true); }}>{s.test}</Act>
      <Act fails={fails} does={async () => { await call("PATCH", path, { enabled: !e.enabled }); await load(); }}>{e.enabled ? s.disable : s.enable}</Act>
      <button type="button" aria-expanded={open} onClick={() => set(!open)}>{s.deliveries}</button>
      <span class="end" /><Act class="danger" fails={fails} does={async () => { await call("DELETE", path); await load(); }}>{t.remove}</Act>
    </div>
    {open && <Deliveries path={path} fails={fails} />}
  </section>;
}

function Deliveries({ path, fails }: { path: string; fails: (s: string) => void }) {
  const [list, set] = useState<DeliveryRow[] | null>(null);
  const load = async () => set((await get<Page<DeliveryRow>>(`${path}/deliveries?limit=20`)).items);
  useEffect(() => {
    load().catch((err) => fails(err.message));
    const timer = setInterval(() => load().catch(() => {}), 3_000); // while somebody looks
    return () => clearInterval(timer);
  }, [path]);
  if (!list) return <Spinner />;
  if (!list.length) return <p class="quiet">{s.noDeliveries}</p>;
  return <ul class="rows">{list.map((d) => {
    const last = d.attempts.at(-1);
    return <li key={d.id}><div class="words"><b>{d.event_type}</b> <span class={`tag ${d.state}`}>{s.delivery[d.state] ?? d.state}</span>
      <p class="quiet"><Time at={d.created_at} /> · {s.attempts(d.attempts.length)}{last && ` · ${last.http_status ?? ""} ${last.detail || last.outcome}`}</p></div>
      {d.state === "dead" && <Act fails={fails} does={async () => { await call("POST", `${path}/deliveries/${d.id}/retry`); await load(); }}>{s.retryDelivery}</Act>}
    </li>;
  })}</ul>;
}

function Appearance() {
  const [theme, set] = useState<Theme>(chosen());
  const [on, setOn] = useState(told.peek());
  const can = "Notification" in globalThis;
  return <>
    <fieldset class="card"><legend class="visually-hidden">{s.theme}</legend><h2>{s.theme}</h2>
      {(Object.keys(s.themes) as Theme[]).map((x) => <label class="check" key={x}><input type="radio" name="theme" checked={theme === x}
        onChange={() => { set(x); choose(x); }} /> {s.themes[x]}</label>)}</fieldset>
    {can && <section class="card"><h2><Icon name="bell" /> {t.inbox.title}</h2>
      {Notification.permission === "denied" ? <p class="quiet">{t.inbox.denied}</p>
        : <label class="check"><input type="checkbox" checked={on} onChange={async (e) => {
          if (!e.currentTarget.checked) { askNoMore(); return setOn(false); }
          setOn(await ask());
        }} /> {on ? t.inbox.allowed : t.inbox.asked}</label>}</section>}
  </>;
}
