import type { VNode } from 'preact';
import { AGENT_STATES } from '../api/types';
import { sums } from '../model/sums';
import { grade } from '../model/quality';
import { Heading } from '../parts/page';
import { useCell, useChanges } from '../parts/hooks';
import { connection, store } from '../portal';
import { texts } from '../texts';

/** The large figures, for a screen that nobody operates. */
export function Wallboard(): VNode {
  useChanges('calls');
  useChanges('agents');
  const lost = useCell(connection) === 'reconnecting';
  const { calls, waiting, agents, worst_mos } = sums(store);
  return (
    <main class={lost ? 'wallboard lost' : 'wallboard'}>
      <Heading>{texts.pages.wallboard}</Heading>
      {lost && <p class="banner">{texts.lost}</p>}
      <dl>
        <Figure name={texts.wallboard.calls} value={calls.toLocaleString('en')} />
        <Figure name={texts.wallboard.waiting} value={waiting.toLocaleString('en')} />
        <Figure
          name={texts.wallboard.worst}
          value={worst_mos === null ? texts.none : worst_mos.toFixed(2)}
          note={worst_mos === null ? texts.noMos : texts.grade(grade(worst_mos))}
          kind={worst_mos === null ? '' : grade(worst_mos)}
        />
      </dl>
      <h2>{texts.wallboard.agents}</h2>
      <dl>
        {AGENT_STATES.map((state) => (
          <Figure key={state} name={texts.agentState(state)} value={agents[state].toLocaleString('en')} />
        ))}
      </dl>
    </main>
  );
}

interface FigureProps {
  name: string;
  value: string;
  note?: string;
  kind?: string;
}

function Figure({ name, value, note, kind }: FigureProps): VNode {
  return (
    <div class={`large ${kind ?? ''}`}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note !== undefined && <small> {note}</small>}
      </dd>
    </div>
  );
}
