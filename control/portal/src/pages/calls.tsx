import { useMemo } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Call, Viewer } from '../api/types';
import { CALL_CHOICES, CALL_COLUMNS, callOrder, callSince_ms } from '../model/calls';
import type { CallColumn } from '../model/calls';
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

/** Home, Active Calls: who speaks with whom, live. */
export function CallsPage({ viewer }: { viewer: Viewer }): VNode {
  const [view, setView] = useView(CALL_CHOICES);
  const order = useMemo(() => callOrder(view), [view]);
  const sorted = useSorted('calls', store.calls, order);
  const columns = useMemo(() => columnsFor(viewer), [viewer]);
  const shown = isFiltered(view) ? Math.min(sorted.rows.length, store.calls.size) : store.calls.size;
  return (
    <>
      <Heading>{texts.pages.calls}</Heading>
      <Filters
        view={view}
        choices={CALL_CHOICES}
        onView={setView}
        hint={texts.filter.callsHint}
        stateName={texts.phase}
        columnNames={texts.callColumns}
        count={texts.filter.callCount(shown, store.calls.size)}
        viewer={viewer}
      />
      <Table
        kind="calls"
        caption={texts.pages.calls}
        columns={columns}
        sorted={sorted}
        items={store.calls}
        beside={nothing}
        sort={view.sort}
        descending={view.descending}
        onSort={(column) => setView(sortedBy(view, column))}
      />
      <Nothing
        shown={sorted.rows.length}
        all={store.calls.size}
        none={texts.noCalls}
        found={texts.noCallsFound}
      />
    </>
  );
}

type Cells = Record<CallColumn, (call: Call) => VNode | string>;

const CELLS: Cells = {
  caller: (call) => <PartyCell party={call.caller} />,
  callee: (call) => <PartyCell party={call.callee} />,
  direction: (call) => texts.direction(call.direction),
  trunk: (call) => (call.trunk === '' ? texts.none : <Name>{call.trunk}</Name>),
  state: (call) => <span class={`state ${call.phase}`}>{texts.phase(call.phase)}</span>,
  duration: (call) => <Duration since_ms={callSince_ms(call)} />,
  quality: (call) => <Quality mos={call.mos} />,
  monitored: (call) =>
    call.monitored === 0 ? (
      <span class="no">{texts.notMonitored}</span>
    ) : (
      <span class="yes">{texts.monitored(call.monitored)}</span>
    ),
};

function columnsFor(viewer: Viewer): Column<Call, null, CallColumn>[] {
  const columns: Column<Call, null, CallColumn>[] = CALL_COLUMNS.map((id) => ({
    id,
    title: texts.callColumns[id],
    cell: CELLS[id],
  }));
  if (!viewer.monitors) return columns;
  const cell = (call: Call): VNode => <ListenIn targets={call.targets} viewer={viewer} />;
  return [...columns, { id: 'actions', title: texts.actions, cell }];
}

function nothing(): null {
  return null;
}
