import { useState } from 'preact/hooks';
import type { ComponentChildren, VNode } from 'preact';
import type { AuditRow } from '../api/types';
import { localTime } from '../model/audit';
import { Name } from './party';
import { texts } from '../texts';

const COLUMNS = ['number', 'at', 'what', 'by', 'on', 'mode', 'reason', 'details'] as const;

/** Rows of the audit; each can be opened for what else it tells. */
export function AuditTable({ rows }: { rows: readonly AuditRow[] }): VNode {
  return (
    <div class="table-frame">
      <table class="audit" role="table" aria-label={texts.audit.table}>
        <thead role="rowgroup">
          <tr role="row">
            {COLUMNS.map((column) => (
              <th key={column} role="columnheader" scope="col" class={`col-${column}`}>
                {texts.audit.columns[column]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <Line key={row.number} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ row }: { row: AuditRow }): VNode {
  const [open, setOpen] = useState(false);
  const id = `audit-${row.number}`;
  return (
    <>
      <tr role="row">
        <Cell column="number">{row.number}</Cell>
        <Cell column="at">
          <time dateTime={row.at}>{localTime(row.at)}</time>
        </Cell>
        <Cell column="what">{texts.audit.what(row.what)}</Cell>
        <Cell column="by">
          <Somebody {...row.by} />
        </Cell>
        <Cell column="on">
          <Somebody {...row.on} />
        </Cell>
        <Cell column="mode">{row.mode === null ? texts.none : texts.audit.mode(row.mode)}</Cell>
        <Cell column="reason">{row.reason === '' ? texts.none : texts.audit.what(row.reason)}</Cell>
        <Cell column="details">
          <button
            type="button"
            aria-expanded={open}
            aria-controls={open ? id : undefined}
            aria-label={texts.audit.detailsOf(row.number)}
            onClick={() => setOpen(!open)}
          >
            {texts.audit.details}
          </button>
        </Cell>
      </tr>
      {open && (
        <tr role="row" id={id} class="opened">
          <td role="cell" colSpan={COLUMNS.length}>
            <Details row={row} />
          </td>
        </tr>
      )}
    </>
  );
}

function Cell({
  column,
  children,
}: {
  column: (typeof COLUMNS)[number];
  children: ComponentChildren;
}): VNode {
  return (
    <td role="cell" class={`col-${column}`} data-label={texts.audit.columns[column]}>
      {children}
    </td>
  );
}

function Somebody({ user, extension }: { user: string; extension: string }): VNode {
  if (user === '' && extension === '') return <>{texts.none}</>;
  return (
    <span class="party">
      {user !== '' && <Name>{user}</Name>}
      {extension !== '' && <span class="under">{texts.extension(extension)}</span>}
    </span>
  );
}

function Details({ row }: { row: AuditRow }): VNode {
  const facts: [string, string][] = [
    [texts.audit.exactly, row.at],
    [texts.audit.via, row.by.via],
    [texts.audit.address, row.by.address],
    [texts.audit.call, row.call ?? ''],
    [texts.audit.session, row.session ?? ''],
    ...Object.entries(row.details).map(([key, value]): [string, string] => [
      texts.audit.what(key),
      said(value),
    ]),
  ];
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <bdi dir="auto">{value}</bdi>
            </dd>
          </div>
        ))}
    </dl>
  );
}

function said(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
