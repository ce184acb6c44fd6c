import { hash64 } from './hash64.ts';
import type { MatchSubject } from './match-subject.ts';
import { soundKey } from './sound-key.ts';

/**
 * Keys under which two records of one person are likely to meet though some of what was written differs. Each key leaves
 * out one thing that may be wrong: the day or month, the year, the family name, the given name, the whole date. The two
 * names go in without order, so that swapped ones meet as well. Records that share no key are never compared.
 */
export function blockKeys(subject: MatchSubject): readonly bigint[] {
  const given = firstSound(subject.given);
  const families = [firstSound(subject.family), firstSound(subject.formerFamily)].filter((sound) => sound !== undefined);
  const [year, month, day] = subject.birthDate?.split('-') ?? [];
  const date = subject.birthDate;
  const place = subject.places.find((name) => name !== undefined);
  const keys = new Set<string>();
  for (const family of families.length === 0 ? [undefined] : families) {
    const names = given === undefined || family === undefined ? undefined : [given, family].toSorted().join(' ');
    if (names !== undefined && year !== undefined) keys.add(`year ${names} ${year}`);
    if (names !== undefined && month !== undefined && day !== undefined) keys.add(`day ${names} ${[month, day].toSorted().join(' ')}`);
    if (names !== undefined && place !== undefined) keys.add(`place ${names} ${place}`);
    if (date !== undefined && family !== undefined) keys.add(`date ${family} ${date}`);
  }
  if (date !== undefined && given !== undefined) keys.add(`date ${given} ${date}`);
  return [...keys].map(hash64);
}

function firstSound(words: readonly string[]): string | undefined {
  const [word] = words;
  return word === undefined ? undefined : soundKey(word);
}
