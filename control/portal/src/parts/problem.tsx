import type { VNode } from 'preact';
import type { Problem } from '../model/box';
import { sentence, texts } from '../texts';

/** What went wrong, and a way out. */
export function ProblemText({ problem, id }: { problem: Problem; id?: string }): VNode {
  return (
    <div class="problem" {...(id === undefined ? {} : { id })}>
      <p class="error">{ended(sentence(problem.error))}</p>
      {problem.way !== '' && <p>{ended(texts.tryThis(problem.way))}</p>}
    </div>
  );
}

/** A problem as one text. */
export function problemLine(problem: Problem): string {
  const error = ended(sentence(problem.error));
  return problem.way === '' ? error : `${error} ${ended(texts.tryThis(problem.way))}`;
}

function ended(text: string): string {
  return /[.!?…]$/u.test(text) ? text : `${text}.`;
}
