/** A small made-up population in which every attribute is sometimes missing and many values are shared. */
export interface Person {
  readonly key: string;
  readonly uin?: string;
  readonly givenName?: string;
  readonly sex?: string;
  readonly birthDate?: string;
  readonly maritalStatus?: string;
  readonly isDisabled?: boolean;
  readonly registeredAt?: string;
}

export interface Household {
  readonly key: string;
  readonly hhid?: string;
  readonly povertyScore?: number;
  readonly size: number;
  readonly kind?: string;
  readonly members: readonly Person[];
}

export interface Population {
  readonly persons: readonly Person[];
  readonly households: readonly Household[];
}

/** Uniform numbers in [0, 1), the same for the same seed (Mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const GIVEN_NAMES = ['Ana', 'Anan', 'An%', 'An_', "O'Neil", 'Åsa', 'Мария', '陈', 'ana', 'Zoë', '\\', 'Z\u{10FFFF}'];
export const SEXES = ['male', 'female', 'other'];
export const MARITAL_STATUSES = ['S', 'M', 'W', 'D'];
export const BIRTH_DATES = ['1950-02-28', '1960-12-31', '1988-02-29', '2000-02-29', '2000-03-01', '2001-03-01', '2001-02-28', '2019-07-15'];
export const REGISTRATIONS = ['2023-12-31T23:59:59Z', '2024-01-01T00:00:00Z', '2024-01-15T10:30:00.123Z', '2024-06-01T12:00:00Z'];
export const POVERTY_SCORES = [0, 1.5, 2.5, 5, 40.25, -3];
export const HOUSEHOLD_KINDS = ['1', '2'];

export function makePopulation(households: number, alone: number): Population {
  const random = createRandom(20_240_115);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const sometimes = <T>(value: () => T): T | undefined => (random() < 0.8 ? value() : undefined);
  let persons = 0;
  const makePerson = (): Person => {
    persons += 1;
    const number = String(persons).padStart(4, '0');
    return {
      key: `P${number}`,
      uin: sometimes(() => `U${number}`),
      givenName: sometimes(() => pick(GIVEN_NAMES)),
      sex: sometimes(() => pick(SEXES)),
      birthDate: sometimes(() => pick(BIRTH_DATES)),
      maritalStatus: sometimes(() => pick(MARITAL_STATUSES)),
      isDisabled: sometimes(() => random() < 0.5),
      registeredAt: sometimes(() => pick(REGISTRATIONS)),
    } as Person;
  };
  const made = Array.from({ length: households }, (_, index): Household => {
    const members = Array.from({ length: 1 + Math.floor(random() * 5) }, makePerson);
    return {
      key: `G${String(index + 1).padStart(4, '0')}`,
      hhid: `H${index + 1}`,
      povertyScore: sometimes(() => pick(POVERTY_SCORES)),
      kind: sometimes(() => pick(HOUSEHOLD_KINDS)),
      size: members.length,
      members,
    } as Household;
  });
  const others = Array.from({ length: alone }, makePerson);
  return { persons: [...made.flatMap((household) => household.members), ...others], households: made };
}

/** The person in the standard's shape; its key stands where no test searches. */
export function personDocument(person: Person): object {
  return {
    '@type': 'Member',
    demographic_info: {
      '@type': 'SRPerson',
      identifier: [
        ...(person.uin ? [{ identifier_type: 'UIN', identifier_value: person.uin }] : []),
        { identifier_type: 'BRN', identifier_value: `B${person.key}` },
      ],
      name: { second_name: person.key, ...(person.givenName && { given_name: person.givenName }) },
      ...(person.sex && { sex: person.sex }),
      ...(person.birthDate && { birth_date: `${person.birthDate}T00:00:00Z` }),
    },
    ...(person.maritalStatus && { marital_status: person.maritalStatus }),
    ...(person.isDisabled !== undefined && { is_disabled: person.isDisabled }),
    ...(person.registeredAt && { registration_date: person.registeredAt }),
  };
}

export function householdDocument(household: Household): object {
  return {
    '@type': 'Group',
    group_identifier: [{ identifier_type: 'HHID', identifier_value: household.hhid }],
    poverty_score_type: household.key,
    ...(household.povertyScore !== undefined && { poverty_score: household.povertyScore }),
    ...(household.kind && { group_type: household.kind }),
    group_size: household.size,
    member_list: household.members.map(personDocument),
  };
}

/** The key of a stored record, out of its text. */
export function keyOf(body: string): string {
  const key = /"(?:second_name|poverty_score_type)":"([PG]\d+)"/.exec(body)?.[1];
  if (key === undefined) throw new Error('a record without key');
  return key;
}
