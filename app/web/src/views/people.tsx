// Finding people: by the beginning of a name, or among those who are active.

import { useEffect, useState } from "preact/hooks";
import { title } from "../bell.js";
import { go, place } from "../router.js";
import { peopleList } from "../store/lists.js";
import { t } from "../text.js";
import { People } from "./person.js";

const PAUSE = 200; // milliseconds without a key before the server is asked

export const ACTIVE = "/v1/users";

export function FindPeople() {
  const asked = place.value.query.get("q") ?? "";
  const [q, set] = useState(asked);
  useEffect(() => title(t.nav.people), []);
  useEffect(() => {
    if (q.trim() === asked) return;
    const timer = setTimeout(() => go(q.trim() ? `/people?q=${encodeURIComponent(q.trim())}` : "/people", true), PAUSE);
    return () => clearTimeout(timer);
  }, [q]);
  const name = asked.replace(/^@/, "").trim();
  return <>
    <h1>{t.nav.people}</h1>
    <form role="search" class="card" onSubmit={(e) => { e.preventDefault(); if (name) go(`/@${encodeURIComponent(name)}`); }}>
      <input type="search" value={q} aria-label={t.people.search} placeholder={t.people.search} autofocus maxLength={60}
        onInput={(e) => set(e.currentTarget.value)} />
    </form>
    {name ? <People key={name} list={peopleList(`/v1/search?type=users&q=${encodeURIComponent(name)}`)} empty={t.people.none(name)} />
      : <><h2>{t.people.active}</h2><People list={peopleList(ACTIVE)} empty={t.person.nobody} /></>}
  </>;
}
