import { useMemo } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Agent, Call, Viewer } from '../api/types';
import { AGENT_CHOICES, AGENT_COLUMNS, agentName, agentOrder } from '../model/agents';
import type { AgentColumn } from '../model/agents';
import { otherParty, targetAt } from '../model/calls';
import { isFiltered, sortedBy } from '../model/view';
import { Duration, Quality } from '../parts/figures';
import { Filters } from '../parts/filters';
import { useSorted } from '../parts/hooks';
import { ListenIn } from '../parts/listen-in';
import { Name, PartyCell } from '../parts/party';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { Heading, Nothing } from '../parts/page';
import { useView } from '../parts/view';
import { store } from '../portal';
import { texts } from '../texts';

type CurrentCall = Call | undefined;

/** Call Center, Agents: what everybody does who takes calls, live. */
export function AgentsPage({ viewer }: { viewer: Viewer }): VNode {
  const [view, setView] = useView(AGENT_CHOICES);
  const order = useMemo(() => agentOrder(view, store.calls), [view]);
  const sorted = useSorted('agents', store.agents, order);
  const columns = useMemo(() => columnsFor(viewer), [viewer]);
  const shown = isFiltered(view) ? Math.min(sorted.rows.length, store.agents.size) : store.agents.size;
  return (
    <>
      <Heading>{texts.pages.agents}</Heading>
      <Filters
        view={view}
        choices={AGENT_CHOICES}
        onView={setView}
        hint={texts.filter.agentsHint}
        stateName={texts.agentState}
        columnNames={texts.agentColumns}
        count={texts.filter.agentCount(shown, store.agents.size)}
        viewer={viewer}
      />
      <Table
        kind="agents"
        caption={texts.pages.agents}
        columns={columns}
        sorted={sorted}
        items={store.agents}
        beside={currentCall}
        sort={view.sort}
        descending={view.descending}
        onSort={(column) => setView(sortedBy(view, column))}
      />
      <Nothing
        shown={sorted.rows.length}
        all={store.agents.size}
        none={texts.noAgents}
        found={texts.noAgentsFound}
      />
    </>
  );
}

type Cells = Record<AgentColumn, (agent: Agent, call: CurrentCall) => VNode | string>;

const CELLS: Cells = {
  name: (agent) => <Name>{agentName(agent)}</Name>,
  extension: (agent) => agent.extension || texts.none,
  state: (agent) => <span class={`state ${agent.state}`}>{texts.agentState(agent.state)}</span>,
  call: (agent, call) => {
    const other = otherParty(call, agent.extension);
    return other === null ? texts.none : <PartyCell party={other} />;
  },
  duration: (agent) => <Duration since_ms={agent.since_ms} />,
  quality: (agent) => <Quality mos={agent.mos} />,
  queues: (agent) => (agent.queues.length === 0 ? texts.none : <Name>{agent.queues.join(', ')}</Name>),
};

function columnsFor(viewer: Viewer): Column<Agent, CurrentCall, AgentColumn>[] {
  const columns: Column<Agent, CurrentCall, AgentColumn>[] = AGENT_COLUMNS.map((id) => ({
    id,
    title: texts.agentColumns[id],
    cell: CELLS[id],
  }));
  if (!viewer.monitors) return columns;
  const cell = (agent: Agent, call: CurrentCall): VNode | null => {
    const target = targetAt(call, agent.extension);
    return target === null ? null : <ListenIn targets={[target]} viewer={viewer} />;
  };
  return [...columns, { id: 'actions', title: texts.actions, cell }];
}

function currentCall(agent: Agent): CurrentCall {
  return agent.call === null ? undefined : store.calls.get(agent.call);
}
