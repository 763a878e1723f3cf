import { useEffect, useRef, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import { Refused, signIn } from '../api/client';
import type { Problem } from '../model/box';
import { Heading } from '../parts/page';
import { ProblemText, problemLine } from '../parts/problem';
import { announce, problemOf, signedIn } from '../portal';
import { texts } from '../texts';

/** Asks for name and password. */
export function SignInPage({ why }: { why: 'signed-out' | 'expired' | null }): VNode {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [wait_s, setWait] = useCountdown();
  const user = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  const fail = (problem: Problem, field: HTMLInputElement | null): void => {
    setProblem(problem);
    announce(problemLine(problem));
    field?.focus();
  };

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy || wait_s > 0) return;
    const name = user.current?.value.trim() ?? '';
    const secret = password.current?.value ?? '';
    if (name === '' || secret === '') {
      return fail({ error: texts.signIn.missing, way: '' }, name === '' ? user.current : password.current);
    }
    setBusy(true);
    setProblem(null);
    try {
      signedIn(await signIn(name, secret));
    } catch (thrown) {
      setBusy(false);
      if (thrown instanceof Refused && thrown.retry_after_s > 0) setWait(thrown.retry_after_s);
      if (password.current !== null) password.current.value = '';
      fail(problemOf(thrown), password.current);
    }
  };

  const described = problem === null ? {} : { 'aria-describedby': 'sign-in-problem' };
  return (
    <main class="alone">
      <p class="product">{texts.product}</p>
      <Heading>{texts.pages['sign-in']}</Heading>
      {why !== null && problem === null && <p>{texts.signIn.why[why]}</p>}
      <form class="sign-in" method="post" noValidate onSubmit={(event) => void submit(event)}>
        {problem !== null && <ProblemText id="sign-in-problem" problem={problem} />}
        {wait_s > 0 && <p class="wait">{texts.signIn.wait(wait_s)}</p>}
        <label class="field">
          <span>{texts.signIn.user}</span>
          <input
            ref={user}
            name="user"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            dir="auto"
            required
            {...described}
          />
        </label>
        <label class="field">
          <span>{texts.signIn.password}</span>
          <input
            ref={password}
            name="password"
            type="password"
            autocomplete="current-password"
            required
            {...described}
          />
        </label>
        <button type="submit" class="main" aria-disabled={busy || wait_s > 0 ? 'true' : undefined}>
          {busy ? texts.signIn.submitting : texts.signIn.submit}
        </button>
      </form>
    </main>
  );
}

/** Seconds that become fewer by themselves; says when none are left. */
function useCountdown(): [number, (seconds: number) => void] {
  const [until_ms, setUntil] = useState(0);
  const [left_s, setLeft] = useState(0);
  useEffect(() => {
    if (until_ms === 0) return;
    const timer = setInterval(() => {
      const left = Math.max(0, Math.ceil((until_ms - performance.now()) / 1000));
      setLeft(left);
      if (left > 0) return;
      clearInterval(timer);
      announce(texts.signIn.over);
    }, 500);
    return () => clearInterval(timer);
  }, [until_ms]);
  const start = (seconds: number): void => {
    setUntil(performance.now() + seconds * 1000);
    setLeft(seconds);
    announce(texts.signIn.wait(seconds));
  };
  return [left_s, start];
}
