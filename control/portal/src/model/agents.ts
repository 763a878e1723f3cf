import { AGENT_STATES } from '../api/types';
import type { Agent, AgentState, Call } from '../api/types';
import { otherOf, partyName } from './calls';
import { agentText, matcher } from './match';
import type { Key, Order } from './sorted';
import type { Choices, View } from './view';

/** What Agents can be sorted by. */
export type AgentColumn = (typeof AGENT_COLUMNS)[number];
export const AGENT_COLUMNS = ['name', 'extension', 'state', 'call', 'duration', 'quality', 'queues'] as const;

export type AgentView = View<AgentState, AgentColumn>;

export const AGENT_CHOICES: Choices<AgentState, AgentColumn> = {
  states: AGENT_STATES,
  columns: AGENT_COLUMNS,
  sort: 'name',
  descending: false,
};

/** The order of a view of Agents. */
export function agentOrder(view: AgentView, calls: ReadonlyMap<string, Call>): Order<Agent> {
  const matches = matcher(view.text);
  return {
    shows: (agent) =>
      (view.state === '' || agent.state === view.state) &&
      (matches === null || matches(() => agentText(agent, otherOf(agent, calls)))),
    key: (agent) => key(agent, view.sort, calls),
    descending: view.descending,
  };
}

/** What an agent is called. */
export function agentName(agent: Agent): string {
  return agent.name || agent.user;
}

function key(agent: Agent, column: AgentColumn, calls: ReadonlyMap<string, Call>): Key {
  switch (column) {
    case 'name':
      return agentName(agent);
    case 'extension':
      return agent.extension || null;
    case 'state':
      return AGENT_STATES.indexOf(agent.state);
    case 'call': {
      const other = otherOf(agent, calls);
      return other === null ? null : partyName(other) || null;
    }
    case 'duration':
      return agent.since_ms === null ? null : -agent.since_ms;
    case 'quality':
      return agent.mos;
    case 'queues':
      return agent.queues.join(', ') || null;
  }
}
