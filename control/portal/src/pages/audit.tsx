import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import { Refused, auditFile, auditRows } from '../api/client';
import type { AuditRow, AuditSearch } from '../api/types';
import { searchAsked, searchOf, searchQuery } from '../model/audit';
import type { Problem } from '../model/box';
import { AuditTable } from '../parts/audit-table';
import { useCell } from '../parts/hooks';
import { Heading } from '../parts/page';
import { ProblemText, problemLine } from '../parts/problem';
import { announce, problemOf, signedOut } from '../portal';
import { go, place } from '../place';
import { texts } from '../texts';

const ROWS_AT_ONCE = 100;

/** Who has monitored whom, and what was refused. */
export function AuditPage(): VNode {
  const address = useCell(place);
  const query = address.query.toString();
  const search = useMemo(() => searchOf(address.query), [query]);
  const { rows, complete, busy, problem, older, again } = useRows(search);
  return (
    <>
      <Heading>{texts.pages.audit}</Heading>
      <SearchForm key={query} search={search} onSearch={again} />
      {problem !== null && <ProblemText problem={problem} />}
      {rows.length > 0 && <AuditTable rows={rows} />}
      {busy ? (
        <p class="nothing">{texts.loading}</p>
      ) : (
        problem === null && rows.length === 0 && <p class="nothing">{texts.audit.none}</p>
      )}
      {rows.length > 0 && !busy && (
        <p class="more">
          {complete ? (
            texts.audit.noOlder
          ) : (
            <button type="button" onClick={older}>
              {texts.audit.older}
            </button>
          )}
        </p>
      )}
    </>
  );
}

interface Rows {
  rows: AuditRow[];
  complete: boolean;
  busy: boolean;
  problem: Problem | null;
  older: () => void;
  again: () => void;
}

function useRows(search: AuditSearch): Rows {
  const [rows, setRows] = useState<AuditRow[]>([]);
  const [complete, setComplete] = useState(false);
  const [busy, setBusy] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  const current = useRef({});

  const load = async (known: AuditRow[]): Promise<void> => {
    const mine = {};
    current.current = mine;
    setBusy(true);
    setProblem(null);
    try {
      const more = await auditRows(searchAsked(search), ROWS_AT_ONCE, known.at(-1)?.number ?? null);
      if (current.current !== mine) return;
      setRows([...known, ...more]);
      setComplete(more.length < ROWS_AT_ONCE);
      announce(
        more.length === 0 && known.length === 0
          ? texts.audit.none
          : texts.audit.rows(known.length + more.length),
      );
    } catch (thrown) {
      if (current.current !== mine) return;
      if (thrown instanceof Refused && thrown.status === 401) return signedOut('expired');
      setProblem(problemOf(thrown));
      announce(problemLine(problemOf(thrown)));
    }
    setBusy(false);
  };

  useEffect(() => {
    setRows([]);
    void load([]);
    return () => {
      current.current = {};
    };
  }, [search, turn]);

  return { rows, complete, busy, problem, older: () => void load(rows), again: () => setTurn(turn + 1) };
}

const FIELDS = [
  { key: 'user', type: 'text' },
  { key: 'extension', type: 'text' },
  { key: 'since', type: 'datetime-local' },
  { key: 'until', type: 'datetime-local' },
] as const;

function SearchForm({ search, onSearch }: { search: AuditSearch; onSearch: () => void }): VNode {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const query = new URLSearchParams();
    for (const { key } of FIELDS) query.set(key, String(form.get(key) ?? ''));
    const wanted = searchQuery(searchOf(query));
    if (wanted.toString() === searchQuery(search).toString()) onSearch();
    else go({ path: '/audit', query: wanted });
  };
  return (
    <search>
      <form class="filters" action="/audit" onSubmit={submit}>
        {FIELDS.map(({ key, type }) => (
          <label key={key} class="field">
            <span>{texts.audit[key]}</span>
            <input name={key} type={type} defaultValue={search[key]} autocomplete="off" spellcheck={false} />
          </label>
        ))}
        <button type="submit" class="main">
          {texts.audit.search}
        </button>
        {searchQuery(search).size > 0 && <a href="/audit">{texts.audit.reset}</a>}
        <a class="save" href={auditFile(searchAsked(search))} download="undertone-audit.csv">
          {texts.audit.save}
        </a>
      </form>
    </search>
  );
}
