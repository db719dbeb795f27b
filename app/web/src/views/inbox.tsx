// The inbox.

import { useEffect, useLayoutEffect } from "preact/hooks";
import { title } from "../bell.js";
import type { Note } from "../api.js";
import { Avatar, Empty, Failed, Icon, Near, Spinner, Time } from "../parts/basics.js";
import { local, place, restore } from "../router.js";
import * as inbox from "../store/inbox.js";
import { me, unread } from "../store/session.js";
import { t } from "../text.js";

const EMPTY: Record<inbox.Filter, string> = { all: t.inbox.empty, unread: t.inbox.emptyUnread, mentions: t.inbox.emptyMentions,
  archived: t.inbox.emptyArchived };
const NAMES: Record<inbox.Filter, string> = { all: t.inbox.all, unread: t.inbox.unread, mentions: t.inbox.mentions,
  archived: t.inbox.archived };

export function Inbox() {
  useEffect(() => {
    title(t.inbox.title);
    if (!place.peek().back || inbox.phase.peek() !== "ready") void inbox.load();
  }, [me.value?.id]);
  const phase = inbox.phase.value, list = inbox.notes.value;
  useLayoutEffect(() => { if (phase === "ready") restore(); });
  return <>
    <div class="row head"><h1>{t.inbox.title}</h1><span class="end" />
      <button type="button" disabled={!unread.value || !inbox.marksAll.value} onClick={() => void inbox.readAll()}><Icon name="check" /> {t.inbox.readAll}</button></div>
    <div class="tabs" role="tablist">
      {(Object.keys(NAMES) as inbox.Filter[]).map((f) => <button type="button" key={f} role="tab" aria-selected={inbox.filter.value === f}
        onClick={() => inbox.choose(f)}>{NAMES[f]}</button>)}
    </div>
    {phase === "loading" || phase === "empty" ? <Spinner />
      : phase === "failed" && !list.length ? <Failed text={inbox.problem.value?.message ?? ""} retry={() => void inbox.load()} />
      : <div class="notes">
        {list.map((x) => <Line key={x.group.key} of={x} />)}
        {!list.length && <Empty icon="bell"><p>{EMPTY[inbox.filter.value]}</p></Empty>}
        {inbox.more.value && <Near when={() => inbox.further()} />}
      </div>}
  </>;
}

const ICON = { like: "heart", comment: "comment", reply: "comment", mention: "person", follow: "people", post: "pen" } as const;

function Line({ of: x }: { of: Note }) {
  const href = local(x.url), outside = /^https?:/.test(href);
  const icon = ICON[x.type as keyof typeof ICON] ?? "bell";
  return <article class={`card note${x.is_read ? "" : " unread"}`} data-item={x.group.key} tabIndex={-1}>
    <span class={`kind ${icon}`}><Icon name={icon} /></span>
    <div class="words">
      {x.group.actors.length > 0 && <span class="faces">{x.group.actors.map((a) => <Avatar key={a.id} of={a} size="s" />)}</span>}
      <a class="whole" href={href} {...(outside && { target: "_blank", rel: "noopener noreferrer" })}
        onClick={() => { if (!x.is_read) void inbox.read(x); }}><span dir="auto">{x.text}</span>
        {!x.is_read && <span class="visually-hidden"> ({t.inbox.isUnread})</span>}</a>
      <Time at={x.updated_at} />
      {x.object && x.object.kind !== "user" && x.object.excerpt && <p class="excerpt" dir="auto">{x.object.excerpt}</p>}
      {x.content && x.content !== x.text && <p class="excerpt" dir="auto">{x.content}</p>}
    </div>
    {x.object?.preview_url && <img class="preview" src={x.object.preview_url} alt="" loading="lazy" />}
    <div class="acts">
      {!x.archived_at && <button type="button" class="plain" aria-label={x.is_read ? t.inbox.unreadAgain : t.inbox.read}
        title={x.is_read ? t.inbox.unreadAgain : t.inbox.read} onClick={() => void (x.is_read ? inbox.unreadAgain(x) : inbox.read(x))}>
        <Icon name={x.is_read ? "dot" : "check"} /></button>}
      {x.type !== "post" && <button type="button" class="plain" aria-label={x.archived_at ? t.inbox.unarchive : t.inbox.archive}
        title={x.archived_at ? t.inbox.unarchive : t.inbox.archive}
        onClick={() => void (x.archived_at ? inbox.unarchive(x) : inbox.archive(x))}><Icon name="archive" /></button>}
    </div>
  </article>;
}
