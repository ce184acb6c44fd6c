import { isDeepStrictEqual } from 'node:util';
import anyAscii from 'any-ascii';
import { SERIES, serialNumber } from './numbers.ts';
import { LOCALITIES } from './places.ts';
import { createRandom, type Random } from './random.ts';

/**
 * Second records of persons who were registered twice, as it happens in the field: another clerk hears the name, types it
 * in another alphabet, mixes up its parts or the parts of the birth date, asks after a wedding or a move. A duplicate
 * shares no identifier with its original.
 */
export type Mistake = (typeof MISTAKES)[number];

const MISTAKES = ['typing error', 'transliteration', 'names exchanged', 'wrong date', 'shortened name', 'other surname', 'moved'] as const;

type Json = Record<string, unknown>;

/** Which record is a second one of which, by their identifiers, and what went wrong. */
export interface Duplicate {
  readonly identifier: string;
  readonly duplicate_of: string;
  readonly mistakes: readonly Mistake[];
}

export interface DuplicateOptions {
  /** Share of the persons that are registered twice, 0 to 1. */
  readonly share: number;
  readonly seed: string;
  /** Persons in the population: duplicates are numbered after them. */
  readonly persons: number;
  /** Told of each duplicate. */
  readonly tell: (duplicate: Duplicate) => void;
}

/** The lines of a population, and after each the second records of some of its persons. */
export function* addDuplicates(lines: Iterable<Json>, { share, seed, persons, tell }: DuplicateOptions): Generator<Json> {
  const random = createRandom(`duplicates ${seed}`);
  let number = persons;
  for (const line of lines) {
    yield line;
    const members = (line['member_list'] as readonly Json[] | undefined) ?? [line];
    for (const member of members) {
      if (!random.chance(share)) continue;
      number += 1;
      const value = serialNumber(SERIES.UIN, number);
      const { document, mistakes } = duplicateMember(random, member, { identifier_type: 'UIN', identifier_value: value });
      tell({ identifier: `UIN=${value}`, duplicate_of: `UIN=${nationalId(member)}`, mistakes });
      yield document;
    }
  }
}

function nationalId(member: Json): string {
  const [first] = (member['demographic_info'] as { readonly identifier: readonly { readonly identifier_value: string }[] }).identifier;
  return first?.identifier_value ?? '';
}

/** The parts of a `demographic_info` in which mistakes are made. */
interface Person {
  readonly name: { readonly surname: string; readonly given_name: string; readonly second_name?: string; readonly maiden_name?: string };
  readonly birth_date: string;
  readonly address: readonly Json[];
}

/** A copy of a member's document with one mistake, or two, and with `identifier` in place of its own. */
function duplicateMember(random: Random, member: Json, identifier: Json): { document: Json; mistakes: readonly Mistake[] } {
  const info = member['demographic_info'] as Json & Person;
  const count = random.chance(0.3) ? 2 : 1;
  const mistakes = new Set<Mistake>();
  let person: Person = { name: info.name, birth_date: info.birth_date, address: info.address };
  while (mistakes.size < count) {
    const mistake = random.pick(MISTAKES);
    const changed = MAKE[mistake](random, person);
    if (mistakes.has(mistake) || changed === undefined || isDeepStrictEqual(changed, person)) continue;
    mistakes.add(mistake);
    person = changed;
  }
  const { related_person: _, ...rest } = member;
  const keepsPhone = random.chance(0.5);
  const { phone_number: phone, email: __, ...kept } = info;
  return {
    document: {
      ...rest,
      member_identifier: [identifier],
      demographic_info: {
        ...kept,
        ...person,
        identifier: [identifier],
        ...(keepsPhone && phone !== undefined ? { phone_number: phone } : {}),
      },
    },
    mistakes: [...mistakes],
  };
}

/** Undefined where there is nothing to make that mistake with; by chance, what was made may be what was there. */
const MAKE: Readonly<Record<Mistake, (random: Random, person: Person) => Person | undefined>> = {
  'typing error': (random, person) => {
    const field = random.pick(['surname', 'given_name'] as const);
    const mistyped = mistype(random, person.name[field]);
    return mistyped === undefined ? undefined : { ...person, name: { ...person.name, [field]: mistyped } };
  },
  transliteration: (random, person) => {
    const { surname, given_name: given, second_name: second } = person.name;
    const name = {
      ...person.name,
      surname: respell(random, surname),
      given_name: respell(random, given),
      ...(second === undefined ? {} : { second_name: respell(random, second) }),
    };
    return name.surname === surname && name.given_name === given ? undefined : { ...person, name };
  },
  'names exchanged': (_random, { name, ...person }) => ({
    ...person,
    name: { ...name, surname: name.given_name, given_name: name.surname },
  }),
  'wrong date': (random, person) => ({ ...person, birth_date: misdate(random, person.birth_date) }),
  'shortened name': (_random, { name, ...person }) => {
    const { second_name: second, ...rest } = name;
    return second === undefined ? undefined : { ...person, name: rest };
  },
  'other surname': (_random, { name, ...person }) => {
    const { maiden_name: maiden, ...rest } = name;
    return maiden === undefined ? undefined : { ...person, name: { ...rest, surname: maiden } };
  },
  moved: (random, person) => {
    const { name, postalCode, district } = random.pick(LOCALITIES);
    const [address] = person.address;
    const moved = { locality: name, sub_region_code: district.code, region_code: district.region.code, postal_code: postalCode };
    return { ...person, address: [{ ...address, ...moved }] };
  },
};

function mistype(random: Random, word: string): string | undefined {
  const letters = [...word];
  if (letters.length < 3) return undefined;
  const place = random.between(1, letters.length - 2);
  const [letter = '', next = ''] = letters.slice(place);
  switch (random.pick(['drop', 'double', 'exchange', 'replace'] as const)) {
    case 'drop':
      return letters.toSpliced(place, 1).join('');
    case 'double':
      return letters.toSpliced(place, 0, letter).join('');
    case 'exchange':
      return letters.toSpliced(place, 2, next, letter).join('');
    case 'replace':
      return letters.toSpliced(place, 1, random.pick(letters)).join('');
  }
}

/** As it sounds to somebody who writes the Latin alphabet, in one of several ways. */
function respell(random: Random, word: string): string {
  const latin = anyAscii(word);
  const ways = RESPELLINGS.filter(([pattern]) => pattern.test(latin));
  if (ways.length === 0) return latin;
  const [pattern, replacement] = random.pick(ways);
  return latin.replace(pattern, replacement);
}

const RESPELLINGS: readonly (readonly [RegExp, string])[] = [
  [/ph/i, 'f'],
  [/f/, 'ph'],
  [/k(?!h)/, 'c'],
  [/c(?=[aou])/, 'k'],
  [/sh/, 'sch'],
  [/i(?=[a-z])/, 'y'],
  [/y$/, 'i'],
  [/ou/, 'u'],
  [/u(?=[a-z])/, 'ou'],
  [/v/, 'w'],
  [/w/, 'v'],
  [/ee/, 'i'],
  [/z/, 's'],
  [/th/, 't'],
  [/(?<=[aeiou])([lmnst])(?=[aeiou])/, '$1$1'],
];

function misdate(random: Random, date: string): string {
  const [year = '', month = '', day = ''] = date.slice(0, 10).split('-');
  const wrong = (): string => {
    switch (random.pick(['exchanged', 'year', 'month', 'day', 'new year'] as const)) {
      case 'exchanged':
        return Number(day) <= 12 ? `${year}-${day}-${month}` : `${Number(year) - 1}-${month}-${day}`;
      case 'year':
        return `${Number(year) + random.pick([-10, -1, 1])}-${month}-${day}`;
      case 'month':
        return `${year}-${pad(random.between(1, 12))}-${pad(Math.min(Number(day), 28))}`;
      case 'day':
        return `${year}-${month}-${pad(random.between(1, 28))}`;
      case 'new year':
        return `${year}-01-01`;
    }
  };
  return `${wrong()}T00:00:00Z`;
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
