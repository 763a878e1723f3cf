import { useEffect, useRef, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import { isCalling, shows } from '../model/box';
import type { Box } from '../model/box';
import { KEYS, shortcut } from '../model/shortcuts';
import { box, close, dismissProblem, end, switchTo } from '../monitoring';
import { preference, prefer } from '../preferences';
import { texts } from '../texts';
import { Duration } from './figures';
import { useCell } from './hooks';
import { Controls, Key } from './mode-controls';
import { focusHeading } from './page';
import { Name } from './party';
import { ProblemText } from './problem';
import { partyName } from '../model/calls';

/** The session that the viewer has, and what can be done with it. */
export function MonitoringBox(): VNode | null {
  const shown = useCell(box);
  const title = useRef<HTMLHeadingElement>(null);
  const [keys, setKeys] = useState(preference('shortcuts') !== 'off');
  useShortcuts(keys && shown.session !== null && !shown.over);
  useEffect(() => {
    if (shown.asked !== null) title.current?.focus({ preventScroll: true });
  }, [shown.asked]);
  if (!shows(shown)) return null;

  const { session, over, asked, problem, busy } = shown;
  const up = session?.state === 'up' && !over && asked === null;
  const choose = (on: boolean): void => {
    prefer('shortcuts', on ? 'on' : 'off');
    setKeys(on);
  };
  return (
    <aside class={`box ${up ? 'up' : ''}`} aria-labelledby="box-title">
      <div class="box-head">
        <h2 ref={title} id="box-title" tabIndex={-1}>
          {texts.box.title}
        </h2>
        <p class="box-state">{stateText(shown)}</p>
      </div>
      {problem !== null && (
        <div class="box-problem">
          <ProblemText problem={problem} />
          <button type="button" onClick={() => leave(dismissProblem)}>
            {texts.box.dismiss}
          </button>
        </div>
      )}
      {session !== null && asked === null && !over && <Facts shown={shown} up={up} />}
      <div class="box-controls">
        {up && <Controls session={session} agent={shown.agent} busy={busy} keys={keys} />}
        {session !== null && !over && (
          <button
            type="button"
            class="end"
            aria-keyshortcuts={keys ? KEYS.end : undefined}
            aria-disabled={busy !== null ? 'true' : undefined}
            onClick={() => void end()}
          >
            <span class="cut">{texts.box.end}</span>
            {keys && <Key action="end" />}
          </button>
        )}
        {over && (
          <button type="button" onClick={() => leave(close)}>
            {texts.box.close}
          </button>
        )}
        {session !== null && !over && (
          <label class="check">
            <input type="checkbox" checked={keys} onChange={(event) => choose(event.currentTarget.checked)} />
            <span>{texts.box.shortcuts}</span>
          </label>
        )}
      </div>
    </aside>
  );
}

/** Who is monitored, for how long, and in which mode. */
function Facts({ shown, up }: { shown: Box; up: boolean }): VNode | null {
  const { session, agent, other } = shown;
  if (session === null) return null;
  return (
    <dl class="facts">
      {other !== null && (
        <div class="wide">
          <dt>{texts.box[other.role]}</dt>
          <dd>
            <Name>{partyName(other.party) || texts.unknownParty}</Name>
          </dd>
        </div>
      )}
      <div class="wide">
        <dt>{texts.box.agent}</dt>
        <dd>
          <Name>{agent}</Name>
        </dd>
      </div>
      <div>
        <dt>{texts.box.elapsed}</dt>
        <dd>
          <Duration since_ms={session.began_ms} />
        </dd>
      </div>
      {up && (
        <div>
          <dt>{texts.box.mode}</dt>
          <dd class={`mode ${session.mode}`}>{texts.box.modeName(session.mode)}</dd>
        </div>
      )}
    </dl>
  );
}

function stateText({ asked, session, over, agent }: Box): string {
  if (asked !== null) return texts.box.calling(asked.phone);
  if (session === null) return texts.box.problem;
  if (over) return texts.box.over(agent);
  if (isCalling(session)) return texts.box.calling(session.supervisor.extension);
  if (session.state === 'up') return '';
  return session.call === null ? texts.box.waiting(agent) : texts.box.monitoring;
}

/** Does what the button says; as the button may vanish, the focus goes to where reading goes on. */
function leave(action: () => void): void {
  action();
  requestAnimationFrame(() => {
    if (document.activeElement === null || document.activeElement === document.body) focusHeading();
  });
}

function useShortcuts(on: boolean): void {
  useEffect(() => {
    if (!on) return;
    const pressed = (event: KeyboardEvent): void => {
      const focused = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      const action = shortcut(event, focused);
      if (action === null) return;
      event.preventDefault();
      void (action === 'end' ? end() : switchTo(action));
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [on]);
}
