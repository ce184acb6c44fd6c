import type { MatchSubject } from './match-subject.ts';
import { wordSimilarity } from './similarity.ts';
import { soundKey } from './sound-key.ts';

/**
 * Whether two records are of one person, after Fellegi and Sunter: each field is compared, and how it agrees counts by how
 * much likelier that is for one person than for two (`log2(m / u)`). The sum, with how likely it was beforehand, gives a
 * probability. Names count by how rare they are: two who share a rare one are likelier one.
 * Source: I. P. Fellegi, A. B. Sunter, A Theory for Record Linkage, 1969.
 */
export interface Match {
  /** 0 to 1. */
  readonly probability: number;
  /** Bits of evidence, field by field, in the order in which they were compared. */
  readonly evidence: readonly Evidence[];
}

export interface Evidence {
  readonly field: 'given_name' | 'family_name' | 'birth_date' | 'sex' | 'place' | 'contact';
  readonly agreement: Agreement;
  /** Positive: speaks for one person. One decimal. */
  readonly weight: number;
}

export type Agreement =
  | 'same'
  | 'partly the same'
  | 'former name'
  | 'sounds alike'
  | 'similar'
  | 'exchanged'
  | 'day and month exchanged'
  | 'one part differs'
  | 'near'
  | 'different';

/** What is known of the registry in which a match is looked for. */
export interface MatchBackground {
  /** Records that could be the one looked for; at least 1. */
  readonly population: number;
  /** How likely it is beforehand that the person looked for is among them, 0 to 1. */
  readonly expectation: number;
  /** Share of the records that have this name, 0 to 1. */
  readonly nameShare: (role: 'given' | 'family', word: string) => number;
}

/** Share of one person's record pairs, and of pairs of different persons, that agree so. */
interface Likelihood {
  readonly m: number;
  readonly u: number;
}

type Finding = { readonly agreement: Agreement } & Likelihood;

export function weighMatch(one: MatchSubject, other: MatchSubject, background: MatchBackground): Match {
  const given = compareNames('given', one.given, other.given, background);
  const family = compareFamilies(one, other, background);
  const names = areExchanged(one, other) ? exchangedNames(one, background) : [given, family];
  const [givenFound, familyFound] = names;
  const findings: [Evidence['field'], Finding | undefined][] = [
    ['given_name', givenFound],
    ['family_name', familyFound],
    ['birth_date', compareDates(one.birthDate, other.birthDate)],
    ['sex', compareSex(one.sex, other.sex)],
    ['place', comparePlaces(one.places, other.places)],
    ['contact', compareContacts(one.contacts, other.contacts)],
  ];
  const mayBeSiblings = givenFound?.agreement === 'different';
  const evidence = findings.flatMap(([field, finding]): Evidence[] => {
    if (finding === undefined) return [];
    const weight = round(Math.log2(finding.m / finding.u));
    return [{ field, agreement: finding.agreement, weight: mayBeSiblings && SHARED_BY_SIBLINGS.has(field) ? Math.min(0, weight) : weight }];
  });
  const beforehand = Math.log2(background.expectation / Math.max(1, background.population));
  const bits = evidence.reduce((sum, { weight }) => sum + weight, beforehand);
  return { probability: 1 / (1 + 2 ** -bits), evidence };
}

/** Where given names differ, what brothers and sisters have in common says nothing. */
const SHARED_BY_SIBLINGS: ReadonlySet<Evidence['field']> = new Set(['family_name', 'place', 'contact']);

const SAME_LETTERS = 0.92;
const SOME_LETTERS = 0.8;
const RAREST_SHARE = 0.00001;

function compareFamilies(one: MatchSubject, other: MatchSubject, background: MatchBackground): Finding | undefined {
  const present = compareNames('family', one.family, other.family, background);
  const former = [
    compareNames('family', one.family, other.formerFamily, background),
    compareNames('family', one.formerFamily, other.family, background),
  ].find((finding) => finding?.agreement === 'same');
  return former !== undefined && present?.agreement === 'different' ? { ...former, agreement: 'former name', m: 0.1 } : present;
}

function compareNames(
  role: 'given' | 'family',
  words: readonly string[],
  list: readonly string[],
  { nameShare }: MatchBackground,
): Finding | undefined {
  if (words.length === 0 || list.length === 0) return undefined;
  const likeness = compareWords(words, list);
  const share = Math.max(RAREST_SHARE, Math.min(...words.map((word) => nameShare(role, word))));
  if (likeness === 1 && words.length === list.length) return { agreement: 'same', m: 0.7, u: share };
  if (likeness === 1) return { agreement: 'partly the same', m: 0.1, u: share };
  if (likeness >= SAME_LETTERS) return { agreement: 'sounds alike', m: 0.13, u: Math.min(0.5, share * 2) };
  if (likeness >= SOME_LETTERS) return { agreement: 'similar', m: 0.04, u: 0.04 };
  return { agreement: 'different', m: 0.03, u: 0.95 };
}

/** From 0 to 1, as the least alike word of the shorter name; 1 where each of its words is one of the longer name's. */
function compareWords(one: readonly string[], other: readonly string[]): number {
  const [fewer, more] = one.length <= other.length ? [one, other] : [other, one];
  const left = [...more];
  return Math.min(...fewer.map((word) => takeMostAlike(word, left)));
}

function takeMostAlike(word: string, left: string[]): number {
  const likenesses = left.map((candidate) => compareWord(word, candidate));
  const most = Math.max(...likenesses);
  left.splice(likenesses.indexOf(most), 1);
  return most;
}

function compareWord(one: string, other: string): number {
  const likeness = wordSimilarity(one, other);
  return likeness < SAME_LETTERS && soundKey(one) === soundKey(other) ? SAME_LETTERS : likeness;
}

/** Given name under the family name and the other way round. */
function areExchanged(one: MatchSubject, other: MatchSubject): boolean {
  const lists = [one.given, one.family, other.given, other.family];
  if (lists.some((words) => words.length === 0)) return false;
  const across = Math.min(compareWords(one.given, other.family), compareWords(one.family, other.given));
  const along = Math.min(compareWords(one.given, other.given), compareWords(one.family, other.family));
  return across >= SAME_LETTERS && along < SOME_LETTERS;
}

function exchangedNames(one: MatchSubject, { nameShare }: MatchBackground): readonly Finding[] {
  const shareOf = (role: 'given' | 'family', words: readonly string[]): number =>
    Math.max(RAREST_SHARE, Math.min(...words.map((word) => nameShare(role, word))));
  return [
    { agreement: 'exchanged', m: 0.2, u: shareOf('given', one.given) },
    { agreement: 'exchanged', m: 0.2, u: shareOf('family', one.family) },
  ];
}

const DAYS_OF_BIRTH = 25_000;

function compareDates(one: string | undefined, other: string | undefined): Finding | undefined {
  if (one === undefined || other === undefined) return undefined;
  if (one === other) return { agreement: 'same', m: 0.8, u: 1 / DAYS_OF_BIRTH };
  const [year, month, day] = one.split('-');
  const [otherYear, otherMonth, otherDay] = other.split('-');
  if (year === otherYear && month === otherDay && day === otherMonth)
    return { agreement: 'day and month exchanged', m: 0.04, u: 1 / DAYS_OF_BIRTH };
  if (year === otherYear && month === otherMonth) return { agreement: 'one part differs', m: 0.04, u: 1 / 840 };
  if (year === otherYear && day === otherDay) return { agreement: 'one part differs', m: 0.03, u: 1 / 2_000 };
  if (month === otherMonth && day === otherDay) return { agreement: 'one part differs', m: 0.04, u: 1 / 365 };
  if (year === otherYear) return { agreement: 'near', m: 0.02, u: 1 / 75 };
  return { agreement: 'different', m: 0.03, u: 0.98 };
}

function compareSex(one: string | undefined, other: string | undefined): Finding | undefined {
  if (one === undefined || other === undefined) return undefined;
  return one === other ? { agreement: 'same', m: 0.985, u: 0.5 } : { agreement: 'different', m: 0.015, u: 0.5 };
}

function comparePlaces(one: MatchSubject['places'], other: MatchSubject['places']): Finding | undefined {
  const levels = one
    .map((place, level) => [place, other[level]] as const)
    .filter(([left, right]) => left !== undefined && right !== undefined);
  if (levels.length === 0) return undefined;
  const agreeing = levels.findIndex(([left, right]) => left === right);
  if (agreeing === 0) return { agreement: 'same', m: 0.75, u: 0.03 };
  return agreeing > 0 ? { agreement: 'near', m: 0.1, u: 0.1 } : { agreement: 'different', m: 0.15, u: 0.87 };
}

function compareContacts(one: ReadonlySet<string>, other: ReadonlySet<string>): Finding | undefined {
  if (one.size === 0 || other.size === 0) return undefined;
  return one.isDisjointFrom(other) ? { agreement: 'different', m: 0.5, u: 0.999 } : { agreement: 'same', m: 0.5, u: 0.0005 };
}

function round(weight: number): number {
  return Math.round(weight * 10) / 10;
}
