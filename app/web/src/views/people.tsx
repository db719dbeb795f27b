// Finding people: by the beginning of a name, or among those who are active.

import { useEffect, useRef, useState } from "preact/hooks";
import { title } from "../bell.js";
import { go, place } from "../router.js";
import { peopleList } from "../store/lists.js";
import { fetchPerson } from "../store/objects.js";
import { t } from "../text.js";
import { People } from "./person.js";

const PAUSE = 200; // milliseconds without a key before the server is asked

export const ACTIVE = "/v1/users";

export function FindPeople() {
  const { query, key, back } = place.value, asked = query.get("q") ?? "";
  const [q, set] = useState(asked);
  const field = useRef<HTMLInputElement>(null);
  const own = useRef(false); // it goes to where the reader types
  useEffect(() => title(t.nav.people), []);
  useEffect(() => {
    if (!own.current) {
      set(asked);
      if (!back && matchMedia("(hover: hover)").matches) field.current!.focus(); // on a phone the keys would cover the people
    }
    own.current = false;
  }, [key]);
  useEffect(() => {
    if (q.trim() === asked) return;
    const timer = setTimeout(() => {
      own.current = true;
      go(q.trim() ? `/people?q=${encodeURIComponent(q.trim())}` : "/people", true);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [q]);
  const bare = (x: string) => x.replace(/^@/, "").trim();
  const name = bare(asked);
  const visit = () => { // only whom the words name
    const to = bare(q);
    if (/^\w+$/.test(to)) fetchPerson(to).then(() => { if (place.peek().path === "/people") go(`/@${to}`); }, () => {});
  };
  return <>
    <h1>{t.nav.people}</h1>
    <form role="search" class="card" onSubmit={(e) => { e.preventDefault(); visit(); }}>
      <input ref={field} type="search" value={q} aria-label={t.people.search} placeholder={t.people.search} maxLength={60}
        onInput={(e) => set(e.currentTarget.value)} />
    </form>
    {name ? <People key={name} list={peopleList(`/v1/search?type=users&q=${encodeURIComponent(name)}`)} empty={t.people.none(name)} />
      : <><h2>{t.people.active}</h2><People list={peopleList(ACTIVE)} empty={t.person.nobody} /></>}
  </>;
}
