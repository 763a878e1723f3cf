import type { Agent, Call, Party } from '../api/types';

/** Whether a text has all of the words somebody looks for; true for everything where they look for nothing. */
export function matcher(wanted: string): ((text: () => string) => boolean) | null {
  const words = folded(wanted).split(/\s+/u).filter(Boolean);
  if (words.length === 0) return null;
  return (text) => {
    const within = folded(text());
    return words.every((word) => within.includes(word));
  };
}

/** What of a call can be looked for. */
export function callText(call: Call): string {
  return `${partyText(call.caller)}\n${partyText(call.callee)}\n${call.trunk}\n${call.direction}`;
}

/** What of an agent, and of whom they speak with, can be looked for. */
export function agentText(agent: Agent, other: Party | null): string {
  const with_whom = other === null ? '' : partyText(other);
  return `${agent.name}\n${agent.user}\n${agent.extension}\n${agent.site}\n${agent.queues.join('\n')}\n${with_whom}`;
}

function partyText(party: Party): string {
  return `${party.name}\n${party.number}\n${party.extension}\n${party.user}`;
}

/** Without case, and with signs in their compatibility form: ﬁ is fi, and full-width digits are digits. */
function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}
