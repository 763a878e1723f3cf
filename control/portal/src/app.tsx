import type { VNode } from 'preact';
import type { Viewer } from './api/types';
import { isWallboard, pageOf } from './model/address';
import type { Address } from './model/address';
import { AgentsPage } from './pages/agents';
import { AuditPage } from './pages/audit';
import { CallsPage } from './pages/calls';
import { SignInPage } from './pages/sign-in';
import { Wallboard } from './pages/wallboard';
import { Header } from './parts/header';
import { useCell } from './parts/hooks';
import { MonitoringBox } from './parts/monitoring-box';
import { Heading, focusHeading } from './parts/page';
import { ProblemText } from './parts/problem';
import { announcement, begin, connection, session } from './portal';
import type { Session } from './portal';
import { place } from './place';
import { texts } from './texts';

/** The portal. */
export function App(): VNode {
  const signedIn = useCell(session);
  const address = useCell(place);
  return (
    <>
      <Announcements />
      <Content signedIn={signedIn} address={address} />
    </>
  );
}

function Content({ signedIn, address }: { signedIn: Session; address: Address }): VNode {
  switch (signedIn.kind) {
    case 'asking':
      return (
        <main class="alone">
          <p>{texts.loading}</p>
        </main>
      );
    case 'unknown':
      return (
        <main class="alone">
          <Heading>{texts.product}</Heading>
          <ProblemText problem={signedIn.problem} />
          <button type="button" class="main" onClick={() => void begin()}>
            {texts.again}
          </button>
        </main>
      );
    case 'out':
      return <SignInPage why={signedIn.why} />;
    case 'in':
      return isWallboard(address) ? <Wallboard /> : <Frame viewer={signedIn.viewer} address={address} />;
  }
}

function Frame({ viewer, address }: { viewer: Viewer; address: Address }): VNode {
  const lost = useCell(connection) === 'reconnecting';
  return (
    <div class={lost ? 'frame lost' : 'frame'}>
      <a class="skip" href="#heading" onClick={skip}>
        {texts.skip}
      </a>
      <Header viewer={viewer} address={address} />
      {lost && (
        <section class="banner" aria-label={texts.connectionLabel}>
          {texts.lost}
        </section>
      )}
      <main>
        <Page viewer={viewer} address={address} />
      </main>
      {viewer.monitors && <MonitoringBox />}
    </div>
  );
}

function Page({ viewer, address }: { viewer: Viewer; address: Address }): VNode {
  const page = pageOf(address);
  if (page === 'calls' || page === 'sign-in') return <CallsPage key="calls" viewer={viewer} />;
  if (page === 'agents' && viewer.sees.agents) return <AgentsPage key="agents" viewer={viewer} />;
  if (page === 'audit' && viewer.sees.audit) return <AuditPage key="audit" />;
  const [title, text] =
    page === null ? [texts.pages.unknown, texts.unknownPage] : [texts.pages.forbidden, texts.forbiddenPage];
  return (
    <>
      <Heading>{title}</Heading>
      <p>{text}</p>
      <p>
        <a href="/">{texts.toCalls}</a>
      </p>
    </>
  );
}

/** The one place where assistive technology is told what happens. */
function Announcements(): VNode {
  const { text } = useCell(announcement);
  return (
    <div class="hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  focusHeading();
}
