import type { VNode } from 'preact';
import type { Party } from '../api/types';
import { partyName } from '../model/calls';
import { texts } from '../texts';

/** A name in its own direction of writing, cut where there is no room for all of it. */
export function Name({ children }: { children: string }): VNode {
  return (
    <bdi dir="auto" class="name" title={children}>
      {children}
    </bdi>
  );
}

/** A party of a call: who it is, by what it is reached, and on which side. */
export function PartyCell({ party }: { party: Party }): VNode {
  const name = partyName(party);
  return (
    <span class="party">
      {name === '' ? <span class="name unknown">{texts.unknownParty}</span> : <Name>{name}</Name>}
      <span class="under">
        <Reached party={party} shown={name} />
        <span class="side">{texts.side[party.side]}</span>
        {party.private && <span class="side">{texts.private}</span>}
      </span>
    </span>
  );
}

function Reached({ party, shown }: { party: Party; shown: string }): VNode | null {
  if (party.extension !== '') return <bdi class="number">{texts.extension(party.extension)}</bdi>;
  if (party.number === '' || party.number === shown) return null;
  return <bdi class="number">{party.number}</bdi>;
}
