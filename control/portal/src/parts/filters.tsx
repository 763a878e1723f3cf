import { useEffect, useId, useState } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Viewer } from '../api/types';
import type { Choices, View } from '../model/view';
import { sortedBy } from '../model/view';
import { phoneOf } from '../monitoring';
import { announce } from '../portal';
import { prefer } from '../preferences';
import { texts } from '../texts';

interface FiltersProps<S extends string, C extends string> {
  view: View<S, C>;
  choices: Choices<S, C>;
  onView: (view: View<S, C>) => void;
  hint: string;
  stateName: (state: S) => string;
  columnNames: Record<C, string>;
  count: string;
  viewer: Viewer;
}

/** What a list shows: a text, a state, and, where there are no column headers, what it is sorted by. */
export function Filters<S extends string, C extends string>(props: FiltersProps<S, C>): VNode {
  const { view, choices, onView, hint, stateName, count, viewer } = props;
  const id = useId();
  useAnnouncedCount(view.text + view.state, count);
  return (
    <search class="filters">
      <label class="field grow">
        <span>{texts.filter.label}</span>
        <input
          type="search"
          value={view.text}
          aria-describedby={`${id}-hint`}
          placeholder={hint}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onView({ ...view, text: event.currentTarget.value })}
        />
        <span id={`${id}-hint`} hidden>
          {hint}
        </span>
      </label>
      <label class="field">
        <span>{texts.filter.state}</span>
        <select
          value={view.state}
          onChange={(event) =>
            onView({
              ...view,
              state: choices.states.find((name) => name === event.currentTarget.value) ?? '',
            })
          }
        >
          <option value="">{texts.filter.all}</option>
          {choices.states.map((state) => (
            <option key={state} value={state}>
              {stateName(state)}
            </option>
          ))}
        </select>
      </label>
      <Phone viewer={viewer} />
      <SortField {...props} />
      <p class="count">{count}</p>
    </search>
  );
}

/** The telephone that Listen in calls, where there is a choice. */
function Phone({ viewer }: { viewer: Viewer }): VNode | null {
  const [phone, setPhone] = useState(phoneOf(viewer));
  if (!viewer.monitors || viewer.extensions.length < 2) return null;
  const choose = (extension: string): void => {
    prefer('phone', extension);
    setPhone(extension);
  };
  return (
    <label class="field">
      <span>{texts.filter.phone}</span>
      <select value={phone ?? ''} onChange={(event) => choose(event.currentTarget.value)}>
        {viewer.extensions.map((extension) => (
          <option key={extension} value={extension}>
            {texts.filter.phoneOption(extension)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Takes the place of the column headers where rows are cards. */
function SortField<S extends string, C extends string>(props: FiltersProps<S, C>): VNode {
  const { view, choices, onView, columnNames } = props;
  const column = (name: string): C => choices.columns.find((known) => known === name) ?? choices.sort;
  return (
    <div class="field sort-field">
      <label class="field">
        <span>{texts.filter.sort}</span>
        <select
          value={view.sort}
          onChange={(event) => onView(sortedBy({ ...view }, column(event.currentTarget.value)))}
        >
          {choices.columns.map((name) => (
            <option key={name} value={name}>
              {columnNames[name]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => onView({ ...view, descending: !view.descending })}>
        {view.descending ? texts.filter.descending : texts.filter.ascending}
      </button>
    </div>
  );
}

/** Tells how many rows there are once somebody has stopped typing. */
function useAnnouncedCount(filter: string, count: string): void {
  const [first] = useState(filter);
  useEffect(() => {
    if (filter === first && filter === '') return;
    const timer = setTimeout(() => announce(count), 1000);
    return () => clearTimeout(timer);
  }, [filter]);
}
