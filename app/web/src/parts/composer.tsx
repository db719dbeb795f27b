// Writing a post or a comment, or changing one.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, key, Problem, upload, type Media, type Post, type Visibility } from "../api.js";
import { keepPost, post } from "../store/objects.js";
import { draft, keepDraft, NONE, type Draft } from "../store/drafts.js";
import { HOME, LOCAL, postList } from "../store/lists.js";
import { instance, me } from "../store/session.js";
import { toast } from "../store/toasts.js";
import { t } from "../text.js";
import { Avatar, Icon } from "./basics.js";

/** A picture on its way: bytes are sent at once, the description can still be written. */
interface Picture { id: string; name: string; url: string; alt: string; percent: number | null; problem: string; media: string;
  /** The description that the server has. */
  told: string }

export interface ComposerProps {
  /** Where a draft belongs: "post", "reply to <id>", "edit <id>". */
  at: string;
  replyTo?: string;
  edit?: Post;
  autofocus?: boolean;
  done?: (p: Post) => void;
  cancel?: () => void;
}

const MIB = 1 << 20;

export function Composer(o: ComposerProps) {
  const who = me.value!;
  const first = (): Draft => (o.edit ? { ...NONE, text: o.edit.text, warning: o.edit.warning ?? "" } : draft(who.id, o.at));
  const [d, setDraft] = useState(first);
  const [pictures, setPictures] = useState<Picture[]>(() => d.media.map((m) => ({ id: key(), name: "", url: m.url, alt: m.alt,
    percent: null, problem: "", media: m.id, told: "" })));
  const [warn, setWarn] = useState(!!d.warning);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [over, setOver] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const stops = useRef(new Map<string, AbortController>());
  const limits = instance.value?.limits;
  const most = limits?.text ?? 5000;
  const left = most - [...d.text.normalize("NFC")].length; // as the server counts: code points
  const ready = pictures.every((p) => p.media && !p.problem);
  const can = !busy && ready && left >= 0 && (d.text.trim() !== "" || pictures.length > 0);

  const change = (more: Partial<Draft>) => setDraft((x) => ({ ...x, ...more }));
  useEffect(() => {
    if (o.edit) return;
    keepDraft(who.id, o.at, { ...d, media: pictures.filter((p) => p.media).map((p) => ({ id: p.media, url: p.url, alt: p.alt })) });
  }, [d, pictures]);
  useEffect(() => { // as tall as its text
    const a = area.current!;
    a.style.height = "auto";
    a.style.height = `${Math.min(a.scrollHeight + 2, innerHeight / 2)}px`;
  }, [d.text]);
  useEffect(() => { if (o.autofocus) area.current!.focus(); }, []);
  useEffect(() => () => stops.current.forEach((s) => s.abort()), []);

  const patch = (id: string, more: Partial<Picture>) => setPictures((l) => l.map((p) => (p.id === id ? { ...p, ...more } : p)));

  const add = (files: Iterable<File>) => {
    let room = (limits?.media_per_post ?? 10) - pictures.length;
    for (const f of files) {
      if (!limits?.mime_types.includes(f.type)) { toast(t.compose.notPicture(f.name || f.type)); continue; }
      if (f.size > limits.media_bytes) { toast(t.compose.tooLarge(f.name, Math.floor(limits.media_bytes / MIB))); continue; }
      if (room-- <= 0) { toast(t.compose.tooMany(limits.media_per_post)); break; }
      void send(f);
    }
  };

  const send = async (f: File) => {
    const p: Picture = { id: key(), name: f.name, url: URL.createObjectURL(f), alt: "", percent: 0, problem: "", media: "", told: "" };
    const stop = new AbortController();
    stops.current.set(p.id, stop);
    setPictures((l) => [...l, p]);
    try {
      let m = await upload(f, "", (percent) => patch(p.id, { percent }), stop.signal);
      while (m.state === "processing" && !stop.signal.aborted) {
        await new Promise((go) => setTimeout(go, 1000));
        m = (await call<Media>("GET", `/v1/media/${m.id}`)).body;
      }
      if (m.state !== "ready") throw new Problem(null, 422);
      patch(p.id, { media: m.id, percent: null, url: m.preview_url ?? p.url });
    } catch (err) {
      patch(p.id, { problem: (err as Error).message, percent: null });
    }
  };

  const drop = (p: Picture) => {
    stops.current.get(p.id)?.abort();
    if (p.url.startsWith("blob:")) URL.revokeObjectURL(p.url);
    setPictures((l) => l.filter((x) => x !== p));
    if (p.media) call("DELETE", `/v1/media/${p.media}`).catch(() => {}); // else it goes by itself after a day
  };

  const describe = async (p: Picture) => {
    if (!p.media || p.alt === p.told) return; // while the picture is on its way the description waits until it is sent
    await call("PATCH", `/v1/media/${p.media}`, { alt: p.alt });
    patch(p.id, { told: p.alt });
  };

  const submit = async () => {
    if (!can) return;
    setBusy(true);
    setProblem("");
    try {
      await Promise.all(pictures.map(describe));
      const input: Record<string, unknown> = o.edit && d.text === o.edit.text ? {} : { text: d.text };
      if (warn && d.warning.trim()) input.warning = d.warning.trim();
      if (!o.edit && pictures.length) input.media_ids = pictures.map((p) => p.media);
      if (o.replyTo) input.reply_to = o.replyTo;
      else if (!o.edit) input.visibility = d.visibility;
      if (o.edit && !input.warning) input.warning = null;
      const { body } = o.edit ? await call<Post>("PATCH", `/v1/posts/${o.edit.id}`, input) : await call<Post>("POST", "/v1/posts", input);
      keepPost(body);
      if (!o.edit) {
        keepDraft(who.id, o.at, NONE);
        setDraft({ ...NONE, visibility: d.visibility });
        setPictures([]);
        placed(body);
      }
      o.done?.(body);
    } catch (err) {
      setProblem((err as Error).message);
    } finally {
      setBusy(false);
    }
  };

  return <form class={`composer${over ? " over" : ""}`} onSubmit={(e) => { e.preventDefault(); void submit(); }}
    onDragOver={(e) => { if (!o.edit && e.dataTransfer?.types.includes("Files")) { e.preventDefault(); setOver(true); } }}
    onDragLeave={() => setOver(false)}
    onDrop={(e) => { e.preventDefault(); setOver(false); if (!o.edit) add(e.dataTransfer?.files ?? []); }}>
    {!o.edit && <Avatar of={who} />}
    <div class="body">
      {warn && <input class="warning" value={d.warning} maxLength={200} placeholder={t.compose.warning} aria-label={t.compose.warning}
        onInput={(e) => change({ warning: e.currentTarget.value })} />}
      <textarea ref={area} rows={2} dir="auto" value={d.text} aria-label={o.replyTo ? t.compose.commentLabel : t.compose.label}
        placeholder={over ? t.compose.drop : o.replyTo ? t.compose.comment : t.compose.placeholder}
        onInput={(e) => change({ text: e.currentTarget.value })}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); void submit(); }
          if (e.key === "Escape" && o.cancel) o.cancel();
        }}
        onPaste={(e) => {
          const files = [...(e.clipboardData?.files ?? [])];
          if (!o.edit && files.length) { e.preventDefault(); add(files); }
        }} />
      {pictures.length > 0 && <ul class="pictures">{pictures.map((p) => <li key={p.id}>
        <img src={p.url} alt="" />
        {p.percent !== null && <span class="progress" role="status">
          {p.percent < 100 ? t.compose.uploading(p.percent) : t.compose.processing}</span>}
        <button type="button" class="plain shut" aria-label={t.remove} onClick={() => drop(p)}><Icon name="close" /></button>
        <input value={p.alt} maxLength={1500} placeholder={t.compose.alt} aria-label={t.compose.alt} title={t.compose.altHint}
          onInput={(e) => patch(p.id, { alt: e.currentTarget.value })} onChange={() => { describe(p).catch((err) => patch(p.id, { problem: err.message })); }} />
        {p.problem && <p class="error" role="alert">{p.problem}</p>}
      </li>)}</ul>}
      <div class="row">
        {!o.edit && instance.value?.features.media && <>
          <input ref={file} type="file" hidden multiple accept={limits?.mime_types.join(",")} data-testid="file"
            onChange={(e) => { add(e.currentTarget.files ?? []); e.currentTarget.value = ""; }} />
          <button type="button" class="plain" aria-label={t.compose.addPicture} title={t.compose.addPicture}
            onClick={() => file.current!.click()}><Icon name="picture" /></button>
          <label class="button plain camera" title={t.compose.takePicture}><Icon name="camera" />
            <input type="file" accept="image/jpeg" capture="environment" aria-label={t.compose.takePicture} data-testid="camera"
              onChange={(e) => { add(e.currentTarget.files ?? []); e.currentTarget.value = ""; }} /></label>
        </>}
        <button type="button" class="plain" aria-label={t.compose.addWarning} title={t.compose.addWarning} aria-pressed={warn}
          onClick={() => setWarn(!warn)}><Icon name="warn" /></button>
        {!o.replyTo && !o.edit && <select aria-label={t.compose.visibility} value={d.visibility}
          onChange={(e) => change({ visibility: e.currentTarget.value as Visibility })}>
          {(["public", "followers", "mentioned"] as const).map((v) => <option key={v} value={v}>{t.post.visibility[v]}</option>)}
        </select>}
        <span class="end" />
        {left < Math.min(500, most / 5) && <span class={left < 0 ? "error" : "quiet"} role="status">{t.compose.left(left)}</span>}
        {o.cancel && <button type="button" onClick={o.cancel}>{t.cancel}</button>}
        <button type="submit" class="main" disabled={!can}>{o.edit ? t.save : o.replyTo ? t.compose.send : t.compose.post}</button>
      </div>
      {problem && <p class="error" role="alert">{problem}</p>}
    </div>
  </form>;
}

/** Puts what was written where it belongs, without waiting for its event; counts move at once. */
function placed(p: Post) {
  if (p.reply_to) {
    const l = postList(`/v1/posts/${p.root_id}/comments`);
    l.put(p.id, true);
    for (const id of new Set([p.root_id, p.reply_to.post_id])) {
      const s = post(id), x = s.peek();
      if (x) s.value = { ...x, comment_count: x.comment_count + 1 };
    }
    return;
  }
  for (const path of [HOME, ...(p.visibility === "public" ? [LOCAL] : [])]) {
    const l = postList(path);
    l.put(p.id);
  }
}
