/** How people judge a call of a certain MOS. */
export type Grade = 'good' | 'fair' | 'poor' | 'bad';

/** The grade of a MOS: the bounds of user satisfaction of ITU-T G.107, Annex B. */
export function grade(mos: number): Grade {
  if (mos >= 4.03) return 'good';
  if (mos >= 3.6) return 'fair';
  if (mos >= 3.1) return 'poor';
  return 'bad';
}
