// Pictures: a grid in a post, and the full view.

import { decodeBlurHash } from "fast-blurhash";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Media } from "../api.js";
import { t } from "../text.js";
import { Dialog, Icon } from "./basics.js";

const BLUR = 24; // pixels on a side

/** What a picture will look like, until it is there. */
function Blur({ hash }: { hash: string | null }) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const ctx = hash && ref.current?.getContext("2d");
    if (!ctx) return;
    try {
      const image = ctx.createImageData(BLUR, BLUR);
      image.data.set(decodeBlurHash(hash, BLUR, BLUR));
      ctx.putImageData(image, 0, 0);
    } catch { /* an empty place, then */ }
  }, [hash]);
  return <canvas ref={ref} class="blur" width={BLUR} height={BLUR} aria-hidden="true" />;
}

export function Gallery({ list, hidden }: { list: readonly Media[]; hidden: boolean }) {
  const [open, set] = useState<number | null>(null);
  const [shown, show] = useState(!hidden);
  if (!list.length) return null;
  const one = list.length === 1 ? list[0]! : null;
  const ratio = one?.width && one.height ? Math.max(0.75, Math.min(2.4, one.width / one.height)) : 16 / 10;
  return <div class={`gallery of-${Math.min(list.length, 4)}`} style={{ "--ratio": ratio }}>
    {list.map((m, i) => i < 4 && <button type="button" class="picture" onClick={() => (shown ? set(i) : show(true))}
      aria-label={shown ? m.alt || t.post.picture(i + 1, list.length) : t.post.sensitive}>
      <Blur hash={m.blurhash} />
      {shown && m.preview_url && <img src={m.preview_url} alt={m.alt} loading="lazy" decoding="async" width={m.width ?? undefined}
        height={m.height ?? undefined} style={{ objectPosition: `${50 + 50 * (m.focus?.x ?? 0)}% ${50 - 50 * (m.focus?.y ?? 0)}%` }} />}
      {i === 3 && list.length > 4 && <span class="rest">+{list.length - 4}</span>}
    </button>)}
    {!shown && <span class="cover" aria-hidden="true">{t.post.sensitive} · {t.post.show}</span>}
    {open !== null && <Viewer list={list} at={open} close={() => set(null)} />}
  </div>;
}

const SWIPE = 60; // pixels

function Viewer({ list, at, close }: { list: readonly Media[]; at: number; close: () => void }) {
  const [i, set] = useState(at);
  const from = useRef<number | null>(null);
  const swiped = useRef(false); // a swipe over the background is a click on it as well
  const turn = (by: number) => set((x) => Math.max(0, Math.min(list.length - 1, x + by)));
  const m = list[i]!;
  const rtl = getComputedStyle(document.documentElement).direction === "rtl" ? -1 : 1;
  return <Dialog label={t.post.picture(i + 1, list.length)} class="viewer" close={close}>
    <div class="stage" onKeyDown={(e) => {
      if (e.key === "ArrowRight") turn(rtl);
      else if (e.key === "ArrowLeft") turn(-rtl);
    }} onPointerDown={(e) => { from.current = e.clientX; }} onPointerUp={(e) => {
      const by = from.current === null ? 0 : e.clientX - from.current;
      from.current = null;
      swiped.current = Math.abs(by) > SWIPE;
      if (swiped.current) turn(by < 0 ? rtl : -rtl);
    }} onClick={(e) => { if (e.target === e.currentTarget && !swiped.current) close(); }}>
      <img key={m.id} src={m.url ?? ""} alt={m.alt} draggable={false} />
      <button type="button" class="plain shut" aria-label={t.close} autofocus onClick={close}><Icon name="close" /></button>
      {i > 0 && <button type="button" class="plain prev" aria-label={t.post.previous} onClick={() => turn(-1)}><Icon name="left" /></button>}
      {i < list.length - 1 && <button type="button" class="plain next" aria-label={t.post.next} onClick={() => turn(1)}><Icon name="right" /></button>}
    </div>
    {m.alt && <p class="alt" dir="auto">{m.alt}</p>}
  </Dialog>;
}
