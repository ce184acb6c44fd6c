/**
 * How alike two words are, from 0 to 1: Jaro's measure, raised by Winkler for what they begin with in common. Typing
 * errors cost little, the more so the later they come.
 * Source: W. E. Winkler, String Comparator Metrics and Enhanced Decision Rules in the Fellegi-Sunter Model, 1990.
 */
export function wordSimilarity(one: string, other: string): number {
  if (one === other) return 1;
  const jaro = jaroSimilarity(one, other);
  const common = countCommonStart(one, other);
  return jaro + common * PREFIX_WEIGHT * (1 - jaro);
}

const PREFIX_WEIGHT = 0.1;
const LONGEST_PREFIX = 4;

function countCommonStart(one: string, other: string): number {
  const most = Math.min(one.length, other.length, LONGEST_PREFIX);
  let common = 0;
  while (common < most && one[common] === other[common]) common += 1;
  return common;
}

function jaroSimilarity(one: string, other: string): number {
  if (one.length === 0 || other.length === 0) return 0;
  const reach = Math.max(0, Math.floor(Math.max(one.length, other.length) / 2) - 1);
  const taken = new Array<boolean>(other.length).fill(false);
  const matchedOfOne: string[] = [];
  for (let index = 0; index < one.length; index += 1) {
    const from = Math.max(0, index - reach);
    const until = Math.min(other.length, index + reach + 1);
    for (let place = from; place < until; place += 1) {
      if (taken[place] === true || one[index] !== other[place]) continue;
      taken[place] = true;
      matchedOfOne.push(one[index] ?? '');
      break;
    }
  }
  const matches = matchedOfOne.length;
  if (matches === 0) return 0;
  const matchedOfOther = [...other].filter((_letter, place) => taken[place]);
  const outOfPlace = matchedOfOne.filter((letter, place) => letter !== matchedOfOther[place]).length / 2;
  return (matches / one.length + matches / other.length + (matches - outOfPlace) / matches) / 3;
}
