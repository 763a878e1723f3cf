import { useState } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Viewer } from '../api/types';
import { pageOf } from '../model/address';
import type { Address } from '../model/address';
import { announce, connection, signOut } from '../portal';
import { useCell } from './hooks';
import { Name } from './party';
import { problemLine } from './problem';
import { texts } from '../texts';

/** The product's name, the pages that there are for the viewer, the connection, and who is signed in. */
export function Header({ viewer, address }: { viewer: Viewer; address: Address }): VNode {
  return (
    <header class="top">
      <span class="product">{texts.product}</span>
      <Navigation viewer={viewer} address={address} />
      <ConnectionState />
      <Account viewer={viewer} />
    </header>
  );
}

function Navigation({ viewer, address }: { viewer: Viewer; address: Address }): VNode {
  const here = pageOf(address);
  return (
    <nav aria-label={texts.navigation}>
      <ul>
        <li>
          <span class="group">{texts.groups.home}</span>
          <a href="/" aria-current={here === 'calls' ? 'page' : undefined}>
            {texts.pages.calls}
          </a>
        </li>
        {viewer.sees.agents && (
          <li>
            <span class="group">{texts.groups.callCenter}</span>
            <a href="/agents" aria-current={here === 'agents' ? 'page' : undefined}>
              {texts.pages.agents}
            </a>
          </li>
        )}
        {viewer.sees.audit && (
          <li>
            <a href="/audit" aria-current={here === 'audit' ? 'page' : undefined}>
              {texts.pages.audit}
            </a>
          </li>
        )}
      </ul>
    </nav>
  );
}

function ConnectionState(): VNode {
  const state = useCell(connection);
  return (
    <p class={`connection ${state}`}>
      <span class="hidden">{texts.connectionLabel}: </span>
      {texts.connection(state)}
    </p>
  );
}

function Account({ viewer }: { viewer: Viewer }): VNode {
  const [leaving, setLeaving] = useState(false);
  const leave = async (): Promise<void> => {
    setLeaving(true);
    const problem = await signOut();
    if (problem === null) return;
    setLeaving(false);
    announce(problemLine(problem));
  };
  return (
    <section class="account" aria-label={texts.account}>
      <span class="who">
        <Name>{viewer.display_name || viewer.user}</Name>
        <span class="role">{texts.role(viewer.role)}</span>
      </span>
      <button type="button" disabled={leaving} onClick={() => void leave()}>
        {texts.signOut}
      </button>
    </section>
  );
}
