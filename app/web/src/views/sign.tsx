// Signing in, and making an account.

import { useEffect, useState } from "preact/hooks";
import { title } from "../bell.js";
import { call, Problem, type Me } from "../api.js";
import { enter, leaveEverywhere } from "../live.js";
import { goIn } from "../router.js";
import { instance, logOut } from "../store/session.js";
import { settle, toast } from "../store/toasts.js";
import { t } from "../text.js";

export function Sign({ anew }: { anew: boolean }) {
  const site = instance.value, closed = site?.registration === "closed";
  const making = anew && !closed;
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [invite, setInvite] = useState(new URLSearchParams(location.search).get("invite") ?? "");
  const [shown, show] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => { title(making ? t.sign.register : t.sign.login); setProblem(null); }, [making]);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const { body } = making
        ? await call<{ user: Me }>("POST", "/v1/auth/register", { username: name.trim(), password, ...(invite && { invite: invite.trim() }) })
        : await call<{ user: Me }>("POST", "/v1/auth/login", { login: name.trim(), password });
      await enter(body.user, null);
      goIn();
    } catch (err) {
      setProblem(err as Problem);
    } finally {
      setBusy(false);
    }
  };
  const wrong = (pointer: string) => problem?.field(pointer) || undefined;
  return <section class="card sign">
    <img src="/assets/bell.svg" alt="" width="40" height="40" />
    <h1>{making ? t.sign.register : t.sign.login}</h1>
    <form onSubmit={submit}>
      <label>{making ? t.sign.name : t.sign.loginName}
        <input name="username" value={name} required autofocus autocomplete="username" autocapitalize="none" spellcheck={false}
          aria-invalid={!!wrong("/username")} aria-describedby="name-hint" onInput={(e) => setName(e.currentTarget.value)} /></label>
      {making && <p class="hint" id="name-hint">{t.sign.nameHint}</p>}
      <label>{t.sign.password}
        <span class="with"><input name="password" type={shown ? ("text" as "password") : "password"} value={password} required minLength={making ? 8 : 1}
          autocomplete={making ? "new-password" : "current-password"} aria-invalid={!!wrong("/password")}
          onInput={(e) => setPassword(e.currentTarget.value)} />
          <button type="button" class="plain" aria-pressed={shown} onClick={() => show(!shown)}>{shown ? t.sign.hide : t.sign.show}</button></span></label>
      {making && <p class="hint">{t.sign.passwordHint}</p>}
      {making && site?.registration === "invite" && <label>{t.sign.invite}
        <input name="invite" value={invite} required autocomplete="off" onInput={(e) => setInvite(e.currentTarget.value)} /></label>}
      {problem && <p class="error" role="alert">{problem.message}</p>}
      <div class="row"><button type="submit" class="main" disabled={busy}>{making ? t.sign.register : t.sign.login}</button>
        {!closed && <a href={making ? "/login" : "/register"}>{making ? t.sign.toLogin : t.sign.toRegister}</a>}</div>
      {closed && anew && <p class="quiet">{t.about.closed}</p>}
    </form>
  </section>;
}

/** Logs out, after what was only waiting has been done. */
export async function out() {
  await settle();
  try { await logOut(); } catch (err) { if ((err as Problem).status !== 401) return toast((err as Error).message); }
  leaveEverywhere();
}
