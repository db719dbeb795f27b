// Small parts that every view uses.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { UserRef } from "../api.js";
import { refOf } from "../store/objects.js";
import { minute } from "../store/session.js";
import { ago, moment, t } from "../text.js";

const ICONS = {
  home: "M4 11.2 12 4l8 7.2V20h-5.500v-5.500h-5V20H4z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3.500 12h17M12 3c2.600 2.500 3.900 5.500 3.900 9s-1.300 6.500-3.900 9c-2.600-2.500-3.900-5.500-3.900-9S9.400 5.500 12 3z",
  people: "M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 19.500c.5-3.500 3-5.300 6.500-5.300s6 1.800 6.500 5.300M16 11.200a3 3 0 1 0-1-5.800M17.500 14.400c2.400.4 3.700 2.100 4 5.100",
  bell: "M12 3.500c-3.300 0-5.300 2.400-5.300 5.600 0 3.400-1 4.400-1.700 5.200-.4.500-.1 1.200.6 1.200h12.800c.7 0 1-.7.6-1.200-.7-.8-1.700-1.800-1.700-5.200 0-3.200-2-5.600-5.300-5.600zM10 18.500a2 2 0 0 0 4 0",
  muted: "M8.800 4.500c.9-.6 2-1 3.200-1 3.300 0 5.300 2.400 5.300 5.600 0 1.400.2 2.500.4 3.300M15.500 15.500H5.600c-.7 0-1-.7-.6-1.200.7-.8 1.700-1.800 1.700-5.200 0-.6.1-1.200.2-1.700M10 18.500a2 2 0 0 0 4 0M3.500 3.500l17 17",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c.6-4 3.400-6 7.500-6s6.900 2 7.500 6",
  gear: "M12 15.200a3.200 3.200 0 1 0 0-6.400 3.200 3.200 0 0 0 0 6.400zM19 12c0 .5 0 .9-.1 1.300l2 1.600-2 3.400-2.400-.9c-.7.5-1.400 1-2.200 1.300L14 21h-4l-.4-2.300c-.8-.3-1.500-.8-2.200-1.300l-2.400.9-2-3.400 2-1.600a8 8 0 0 1 0-2.600l-2-1.600 2-3.400 2.400.9c.7-.5 1.400-1 2.200-1.300L10 3h4l.4 2.300c.8.3 1.500.8 2.200 1.300l2.400-.9 2 3.400-2 1.600c.1.400.1.800.1 1.300z",
  pen: "M4 20h4L19.500 8.500l-4-4L4 16zM13.500 6.500l4 4",
  heart: "M12 20.300C7 16.500 3.500 13 3.500 9c0-2.700 2-4.700 4.500-4.700 1.600 0 3.100.9 4 2.300.9-1.400 2.400-2.300 4-2.300 2.500 0 4.500 2 4.500 4.700 0 4-3.500 7.500-8.500 11.300z",
  comment: "M4.500 4.500h15A1.500 1.500 0 0 1 21 6v9a1.500 1.500 0 0 1-1.500 1.500h-8L7 20.500v-4H4.500A1.500 1.500 0 0 1 3 15V6a1.500 1.500 0 0 1 1.500-1.500z",
  more: "M5 11.300a.7.7 0 1 0 0 1.400.7.7 0 0 0 0-1.400zM12 11.300a.7.7 0 1 0 0 1.400.7.7 0 0 0 0-1.400zM19 11.300a.7.7 0 1 0 0 1.400.7.7 0 0 0 0-1.400z",
  picture: "M4.500 4.500h15A1.500 1.500 0 0 1 21 6v12a1.500 1.500 0 0 1-1.500 1.500h-15A1.500 1.500 0 0 1 3 18V6a1.500 1.500 0 0 1 1.500-1.500zM3.500 17l5-5 4 4 3-3 5 5M15.500 9.500h.01",
  camera: "M4.500 7.500h3.200l1.500-2.500h5.600l1.500 2.500h3.200A1.500 1.500 0 0 1 21 9v9a1.500 1.500 0 0 1-1.500 1.500h-15A1.500 1.500 0 0 1 3 18V9a1.500 1.500 0 0 1 1.500-1.500zM12 16.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
  warn: "M12 4 2.500 20.500h19zM12 10v4.500M12 17.500h.01",
  close: "M5.500 5.500l13 13M18.500 5.500l-13 13",
  left: "M14.500 5 8 12l6.500 7", right: "M9.500 5 16 12l-6.500 7",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500 20.500 20.500",
  check: "M4.500 12.500l5 5L19.500 7", archive: "M4 8.500h16V19.500H4zM3 4.500h18v4H3zM10 12.500h4", dot: "M12 8.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z",
  lock: "M6 10.500h12v9.500H6zM8.500 10.500V8a3.500 3.500 0 0 1 7 0v2.500",
  out: "M14 4.500H5v15h9M10 12h10.500M17 8l4 4-4 4",
} as const;

export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }) {
  return <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[name]} /></svg>;
}

export function Time({ at, href }: { at: string; href?: string }) {
  const time = <time dateTime={at} title={moment(at)}>{ago(at, minute.value)}</time>;
  return href ? <a class="time" href={href}>{time}</a> : time;
}

/** A person's picture, or the first letter on a colour of their own. Decoration: the name stands beside it. */
export function Avatar({ of, size = "m" }: { of: UserRef | null; size?: "s" | "m" | "l" }) {
  const who = of && refOf(of);
  if (who?.avatar_url) return <img class={`avatar ${size}`} src={who.avatar_url} alt="" loading="lazy" decoding="async" />;
  const hue = who ? [...who.id].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 360, 7) : 0;
  return <span class={`avatar letter ${size}`} aria-hidden="true" style={{ "--hue": hue }}>
    {who ? [...(who.display_name || who.username)][0]!.toUpperCase() : ""}</span>;
}

export function Name({ of }: { of: UserRef }) {
  const who = refOf(of);
  return <a class="name" href={`/@${who.username}`} dir="auto">{who.display_name}</a>;
}

/** A button that waits for its work and says what went wrong. */
export function Act({ does, children, class: name, fails, ...rest }: { does: () => Promise<unknown>;
  fails: (text: string) => void } & Omit<JSX.IntrinsicElements["button"], "onClick">) {
  const [busy, set] = useState(false);
  return <button type="button" {...rest} class={name} disabled={busy || !!rest.disabled} onClick={async () => {
    set(true);
    fails("");
    try { await does(); } catch (err) { fails((err as Error).message); } finally { set(false); }
  }}>{children}</button>;
}

export function Spinner() {
  return <p class="spinner"><span class="visually-hidden">{t.loading}</span></p>;
}

/** What stands in a field, without what is too much: counted as the server does, in code points. */
export function cut(field: { value: string }, most = Infinity): string {
  const all = [...field.value.normalize("NFC")];
  return all.length > most ? (field.value = all.slice(0, most).join("")) : field.value;
}

export function Empty({ icon, children }: { icon: IconName; children: ComponentChildren }) {
  return <div class="empty"><Icon name={icon} />{children}</div>;
}

/** What stands where something could not be fetched. */
export function Failed({ text, retry }: { text: string; retry: () => void }) {
  return <div class="empty"><p>{text || t.failed}</p><button type="button" onClick={retry}>{t.retry}</button></div>;
}

/** Calls when when its place comes near the screen. */
/** Calls when as long as the end of a list is near. */
export function Near({ when }: { when: () => Promise<void> }) {
  const ref = useRef<HTMLDivElement>(null);
  const last = useRef(when);
  last.current = when;
  useEffect(() => {
    let gone = false;
    const seen = new IntersectionObserver(async (list) => {
      if (!list.some((x) => x.isIntersecting)) return;
      seen.disconnect();
      await last.current();
      if (!gone && ref.current) seen.observe(ref.current); // it may be near still
    }, { rootMargin: "900px" });
    seen.observe(ref.current!);
    return () => { gone = true; seen.disconnect(); };
  }, []);
  return <div ref={ref} class="near" />;
}

export interface Item { label: string; icon?: IconName; danger?: boolean; does: () => void }

/** A button that opens a small menu; the keyboard goes through it. */
export function Menu({ label, items }: { label: string; items: Item[] }) {
  const [open, set] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const away = (e: Event) => { if (!root.current?.contains(e.target as Node)) set(false); };
    document.addEventListener("pointerdown", away);
    root.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const close = () => { set(false); root.current?.querySelector("button")?.focus(); };
  const keys = (e: KeyboardEvent) => {
    const all = [...root.current!.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (e.key === "Escape") close();
    else if (e.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (e.key === "ArrowUp") all[(at + all.length - 1) % all.length]?.focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  return <div class="menu" ref={root} onKeyDown={open ? keys : undefined}>
    <button type="button" class="plain" aria-haspopup="menu" aria-expanded={open} aria-label={label} onClick={() => set(!open)}>
      <Icon name="more" /></button>
    {open && <div role="menu">{items.map((i) => <button type="button" role="menuitem" class={i.danger ? "danger" : ""}
      onClick={() => { close(); i.does(); }}>{i.icon && <Icon name={i.icon} />}{i.label}</button>)}</div>}
  </div>;
}

/** A dialog of the browser's own: the rest of the page is out of reach meanwhile. */
export function Dialog({ label, close, children, class: name }: { label: string; close: () => void; class?: string;
  children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = ref.current!;
    d.showModal();
    return () => d.close();
  }, []);
  return <dialog ref={ref} class={name} aria-label={label} onCancel={(e) => { e.preventDefault(); close(); }}
    onClick={(e) => { if (e.target === ref.current) close(); }}>{children}</dialog>;
}
