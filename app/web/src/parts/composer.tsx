// Writing a post or a comment, or changing one.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { call, key, Problem, type Post, type Visibility } from "../api.js";
import { keepPost, post } from "../store/objects.js";
import { attach, change as changeDraft, describe, detach, draft, finish, idle, patch, send, type Draft } from "../store/drafts.js";
import { HOME, LOCAL, postList } from "../store/lists.js";
import { instance, me } from "../store/session.js";
import { toast } from "../store/toasts.js";
import { t } from "../text.js";
import { Avatar, cut, Icon } from "./basics.js";

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
const WARNING = 200, ALT = 1500; // code points

export function Composer(o: ComposerProps) {
  const who = me.value!;
  const [s] = useState(() => {
    const s = draft(who.id, o.at);
    if (o.edit && (!s.peek().base || idle(s.peek()))) {
      const base = { text: o.edit.text, warning: o.edit.warning ?? "" };
      s.value = { ...s.peek(), ...base, warn: !!base.warning, base, problem: "" };
    }
    return s;
  });
  const d = s.value, { pictures, busy } = d;
  const change = (more: Partial<Draft>) => changeDraft(s, more);
  const [over, setOver] = useState(false);
  const [theirs, setTheirs] = useState(""); // what the post has become meanwhile
  const area = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const here = useRef(true);
  const counter = useId();
  const limits = instance.value?.limits;
  const most = limits?.text ?? 5000;
  const left = most - [...d.text.normalize("NFC")].length; // as the server counts: code points
  const ready = pictures.every((p) => p.media && !p.problem);
  const can = !busy && ready && left >= 0 && (d.text.trim() !== "" || pictures.length > 0 || !!o.edit?.media.length);

  useEffect(() => { // as tall as its text
    const a = area.current!;
    a.style.height = "auto";
    a.style.height = `${Math.min(a.scrollHeight + 2, innerHeight / 2)}px`;
  }, [d.text]);
  useEffect(() => { if (o.autofocus) area.current!.focus(); }, []);
  useEffect(() => () => { here.current = false; }, []);

  const add = (files: Iterable<File>) => {
    let room = (limits?.media_per_post ?? 10) - pictures.length;
    for (const f of files) {
      if (!limits?.mime_types.includes(f.type)) { toast(t.compose.notPicture(f.name || f.type)); continue; }
      if (f.size > limits.media_bytes) { toast(t.compose.tooLarge(f.name, Math.floor(limits.media_bytes / MIB))); continue; }
      if (room-- <= 0) { toast(t.compose.tooMany(limits.media_per_post)); break; }
      attach(s, f);
    }
  };

  const create = async (): Promise<Post> => {
    await Promise.all(pictures.map((p) => describe(s, p)));
    const input: Record<string, unknown> = { text: d.text };
    if (warning) input.warning = warning;
    if (pictures.length) input.media_ids = pictures.map((p) => p.media);
    if (o.replyTo) input.reply_to = o.replyTo;
    else input.visibility = d.visibility;
    const body = JSON.stringify(input), sent = d.sent?.body === body ? d.sent : { key: key(), body };
    change({ sent });
    return (await call<Post>("POST", "/v1/posts", input, { "Idempotency-Key": sent.key })).body;
  };

  /** Changes the post as it was when the change began, and no other; likes and comments do not matter. */
  const save = async (was: Post): Promise<Post> => {
    const path = `/v1/posts/${was.id}`;
    for (let base = d.base!, attempt = 0; ;) {
      const { body: now, etag } = await call<Post>("GET", path);
      if (now.text !== base.text || (now.warning ?? "") !== base.warning) {
        change({ base: { text: now.text, warning: now.warning ?? "" } });
        keepPost(now);
        setTheirs(now.text);
        throw new Error(t.compose.overtaken);
      }
      const input = { ...(d.text !== base.text && { text: d.text }), warning: warning || null };
      try {
        return (await call<Post>("PATCH", path, input, { "If-Match": etag! })).body;
      } catch (err) {
        if ((err as Problem).status !== 412 || ++attempt > 4) throw err;
      }
    }
  };

  const warning = d.warn ? d.warning.trim() : "";
  const submit = async () => {
    if (!can) return;
    change({ busy: true, problem: "" });
    try {
      const p = o.edit ? await save(o.edit) : await create();
      keepPost(p);
      finish(s);
      if (!o.edit) placed(p);
      o.done?.(p);
    } catch (err) {
      if (err instanceof Problem) s.peek().pictures.forEach((p, i) => { if (err.field(`/media_ids/${i}`)) patch(s, p.id, { problem: t.compose.gone }); });
      change({ problem: (err as Error).message });
      if (!here.current) toast((err as Error).message);
    } finally {
      change({ busy: false });
    }
  };

  const quit = () => { // gives a change up
    if (o.edit) change({ ...s.peek().base });
    o.cancel!();
  };

  return <form class={`composer${over ? " over" : ""}`} onSubmit={(e) => { e.preventDefault(); void submit(); }}
    onDragOver={(e) => { if (!o.edit && e.dataTransfer?.types.includes("Files")) { e.preventDefault(); setOver(true); } }}
    onDragLeave={() => setOver(false)}
    onDrop={(e) => { e.preventDefault(); setOver(false); if (!o.edit) add(e.dataTransfer?.files ?? []); }}>
    {!o.edit && <Avatar of={who} />}
    <div class="body">
      {d.warn && <input class="warning" value={d.warning} readOnly={busy} placeholder={t.compose.warning} aria-label={t.compose.warning}
        onInput={(e) => change({ warning: cut(e.currentTarget, WARNING) })} />}
      <textarea ref={area} rows={2} dir="auto" value={d.text} readOnly={busy} aria-describedby={counter} aria-label={o.replyTo ? t.compose.commentLabel : t.compose.label}
        placeholder={over ? t.compose.drop : o.replyTo ? t.compose.comment : t.compose.placeholder}
        onInput={(e) => change({ text: e.currentTarget.value })}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); void submit(); }
          if (e.key === "Escape" && o.cancel) {
            if (o.edit && !idle(d)) toast(t.compose.leave);
            o.cancel();
          }
        }}
        onPaste={(e) => {
          const files = [...(e.clipboardData?.files ?? [])];
          if (!o.edit && files.length) { e.preventDefault(); add(files); }
        }} />
      {pictures.length > 0 && <ul class="pictures">{pictures.map((p) => <li key={p.id}>
        <img src={p.url} alt="" />
        {p.percent !== null && <span class="progress">
          {p.percent < 100 ? t.compose.uploading(p.percent) : t.compose.processing}</span>}
        <button type="button" class="plain shut" aria-label={t.remove} disabled={busy} onClick={() => detach(s, p)}><Icon name="close" /></button>
        <input value={p.alt} readOnly={busy} placeholder={t.compose.alt} aria-label={t.compose.alt} title={t.compose.altHint}
          onInput={(e) => patch(s, p.id, { alt: cut(e.currentTarget, ALT) })} onChange={() => { describe(s, p).catch(() => {}); }} />
        {p.problem && <p class="error" role="alert">{p.problem} {p.file && <button type="button" onClick={() => void send(s, p)}>{t.retry}</button>}</p>}
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
        <button type="button" class="plain" aria-label={t.compose.addWarning} title={t.compose.addWarning} aria-pressed={d.warn}
          onClick={() => change({ warn: !d.warn })}><Icon name="warn" /></button>
        {!o.replyTo && !o.edit && <select aria-label={t.compose.visibility} value={d.visibility} disabled={busy}
          onChange={(e) => change({ visibility: e.currentTarget.value as Visibility })}>
          {(["public", "followers", "mentioned"] as const).map((v) => <option key={v} value={v}>{t.post.visibility[v]}</option>)}
        </select>}
        <span class="end" />
        <span id={counter} class={left < 0 ? "error" : "quiet"}>{left < Math.min(500, most / 5) && t.compose.left(left)}</span>
        {o.cancel && <button type="button" onClick={quit}>{t.cancel}</button>}
        <button type="submit" class="main" disabled={!can}>{o.edit ? t.save : o.replyTo ? t.compose.send : t.compose.post}</button>
      </div>
      {d.problem && <p class="error" role="alert">{d.problem}</p>}
      {theirs && <blockquote class="theirs" dir="auto">{theirs}</blockquote>}
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
