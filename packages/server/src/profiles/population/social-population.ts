import { type Household, type Inhabitant, makeHousehold } from './household.ts';
import { MOST_NUMBERED, SERIES, serialNumber } from './numbers.ts';
import { COUNTRY } from './places.ts';
import { createRandom, type Random } from './random.ts';

/**
 * A population for the social registry that looks like a country's: households whose ages, sizes, places, scores and
 * identifiers hang together. Everything follows from the seed and the reference date; no clock is asked. Each yielded
 * document is a line of an import: a group with its members, or a person who belongs to none.
 */
export interface PopulationOptions {
  readonly persons: number;
  readonly seed: string;
  /** `YYYY-MM-DD`: ages are counted to this day, nothing is dated after it. */
  readonly referenceDate: string;
}

type Json = Record<string, unknown>;

interface Identifier {
  readonly identifier_type: string;
  readonly identifier_value: string;
}

const SHARE_WITHOUT_GROUP = 0.04;
const SHARE_DECEASED = 0.1;
const DAY_MS = 86_400_000;

export function* generateSocialPopulation(options: PopulationOptions): Generator<Json> {
  const { persons, seed, referenceDate } = options;
  if (persons > MOST_NUMBERED) throw new RangeError(`at most ${MOST_NUMBERED} persons can be numbered`);
  const context: Context = { random: createRandom(seed), today: Date.parse(`${referenceDate}T00:00:00Z`), persons: 0, groups: 0 };
  while (context.persons < persons) {
    const isAlone = context.random.chance(SHARE_WITHOUT_GROUP);
    const household = makeHousehold(context.random, isAlone ? 1 : persons - context.persons);
    yield isAlone ? writeLonePerson(context, household) : writeGroup(context, household);
  }
}

interface Context {
  readonly random: Random;
  readonly today: number;
  /** How many were made so far: their numbers follow from it. */
  persons: number;
  groups: number;
}

/** Someone with identifiers, ready to be referred to by others. */
interface Registered extends Inhabitant {
  readonly identifier: readonly Identifier[];
  readonly name: Json;
  readonly birth: number;
}

function writeGroup(context: Context, household: Household): Json {
  const { random } = context;
  context.groups += 1;
  const registered = context.today - random.between(10, 3_600) * DAY_MS;
  const people = registerAll(context, household);
  const home: Home = { household, people, address: writeAddress(random, household), registered };
  const members = people.map((person) => writeMember(context, home, person));
  const isFamily = members.length > 1;
  return {
    '@type': 'Group',
    group_identifier: [identifier('HHID', serialNumber(SERIES.HHID, context.groups))],
    group_type: isFamily ? (random.chance(0.85) ? '2' : '3') : '2',
    geographical_location: {
      name: household.locality.name,
      geo: { latitude: household.locality.latitude, longitude: household.locality.longitude },
    },
    address: [home.address],
    place_address: false,
    poverty_score: household.povertyScore,
    poverty_score_type: 'PMT',
    group_size: members.length,
    group_head_info: { member_identifier: people[0]?.identifier.slice(0, 1) },
    member_list: members,
    registration_date: writeMoment(registered, random),
    last_updated: writeMoment(context.today - random.between(1, 9) * DAY_MS, random),
  };
}

function writeLonePerson(context: Context, household: Household): Json {
  const people = registerAll(context, household);
  const [person] = people;
  if (person === undefined) throw new RangeError('a household without people');
  const registered = context.today - context.random.between(10, 3_600) * DAY_MS;
  const member = writeMember(context, { household, people, address: writeAddress(context.random, household), registered }, person);
  return context.random.chance(SHARE_DECEASED) ? asDeceased(context, member) : member;
}

function asDeceased(context: Context, member: Json): Json {
  const info = member['demographic_info'] as Json & { identifier: Json[] };
  const { occupation: _, employment_status: __, ...rest } = member;
  return {
    ...rest,
    demographic_info: {
      ...info,
      identifier: [...info.identifier, identifier('DRN', serialNumber(SERIES.DRN, context.persons))],
      death_date: writeDay(context.today - context.random.between(1, 9) * DAY_MS),
    },
  };
}

function registerAll(context: Context, household: Household): Registered[] {
  const marriage = serialNumber(SERIES.MRN, context.persons + 1);
  return household.inhabitants.map((inhabitant, index) => {
    const { random } = context;
    context.persons += 1;
    const isOfCouple = inhabitant.maritalStatus === 'M' && index < 2;
    return {
      ...inhabitant,
      identifier: [
        identifier('UIN', serialNumber(SERIES.UIN, context.persons)),
        ...(random.chance(0.7) ? [identifier('BRN', serialNumber(SERIES.BRN, context.persons))] : []),
        ...(isOfCouple ? [identifier('MRN', marriage)] : []),
      ],
      name: {
        surname: inhabitant.surname,
        given_name: inhabitant.givenName,
        ...(inhabitant.secondName !== undefined && { second_name: inhabitant.secondName }),
        ...(inhabitant.maidenName !== undefined && { maiden_name: inhabitant.maidenName }),
      },
      birth: birthday(context, inhabitant.age),
    };
  });
}

/** A day on which someone was born who is `age` years old today. */
function birthday(context: Context, age: number): number {
  const day = new Date(context.today);
  day.setUTCFullYear(day.getUTCFullYear() - age);
  return day.getTime() - context.random.between(0, 364) * DAY_MS;
}

/** What the members of a household have in common. */
interface Home {
  readonly household: Household;
  readonly people: readonly Registered[];
  readonly address: Json;
  readonly registered: number;
}

function writeMember(context: Context, home: Home, person: Registered): Json {
  const { random } = context;
  const { household, address } = home;
  const enrolled = Math.max(home.registered, person.birth);
  return {
    '@type': 'Member',
    member_identifier: person.identifier.slice(0, 1),
    demographic_info: {
      '@type': 'SRPerson',
      identifier: person.identifier,
      name: person.name,
      sex: person.sex,
      birth_date: writeDay(person.birth),
      address: [address],
      ...writeContacts(random, person),
      registration_date: writeMoment(enrolled, random),
    },
    ...writeRelation(home.people[0], person),
    ...writeDisability(random, person.age),
    marital_status: person.maritalStatus,
    ...writeLivelihood(random, person.age, household.povertyScore),
    language_code: household.names.language,
    registration_date: writeMoment(enrolled, random),
    last_updated: writeMoment(context.today - random.between(1, 9) * DAY_MS, random),
  };
}

/** What a person is to the head of the household. */
function writeRelation(head: Registered | undefined, person: Registered): Json {
  if (head === undefined || head === person) return {};
  const related = { identifier: head.identifier.slice(0, 1), name: head.name };
  return { related_person: [{ relationship_type: person.relationship, related_member: related }] };
}

function identifier(type: string, value: string): Identifier {
  return { identifier_type: type, identifier_value: value };
}

function writeAddress(random: Random, { locality }: Household): Json {
  return {
    address_line_1: `${random.between(1, 240)} ${random.pick(STREETS)}`,
    locality: locality.name,
    sub_region_code: locality.district.code,
    region_code: locality.district.region.code,
    postal_code: locality.postalCode,
    country_code: COUNTRY.code,
  };
}

const STREETS = ['Main Road', 'Market Street', 'Mill Lane', 'School Road', 'River Path', 'Temple Street', 'Station Road', 'Well Lane'];

/** No country has the calling code 999, and nobody reads mail at example.org. */
function writeContacts(random: Random, { age, identifier: [first] }: Registered): Json {
  const number = first?.identifier_value ?? '';
  return {
    ...(age >= 14 && random.chance(0.65) && { phone_number: [`+999${String(random.between(10_000_000, 99_999_999))}`] }),
    ...(age >= 16 && random.chance(0.15) && { email: [`person.${number}@example.org`] }),
  };
}

function writeDisability(random: Random, age: number): Json {
  if (!random.chance(age < 18 ? 0.025 : age < 60 ? 0.06 : 0.2)) return { is_disabled: false };
  const kind = random.pick(['VIS_SS', 'HEAR_SS', 'MOB_SS', 'COG_SS', 'SC_SS', 'COM_SS']);
  return {
    is_disabled: true,
    disability_info: [
      {
        disability_limitation_type: kind,
        functional_severity: random.weighted([
          ['2', 3],
          ['3', 5],
          ['4', 2],
        ]),
      },
    ],
  };
}

function writeLivelihood(random: Random, age: number, score: number): Json {
  if (age < 6) return {};
  const level = Math.min(
    random.weighted([
      [0, 1],
      [1, 5],
      [2, 4],
      [3, 4],
      [4, 1],
      [6, 2],
      [7, 1],
    ]),
    highestEducation(age),
  );
  if (age < 15) return { education_level: String(level) };
  const isWorking = random.chance(age < 25 ? 0.45 : age < 63 ? 0.75 : 0.2);
  return {
    education_level: String(level),
    employment_status: isWorking
      ? random.weighted([
          ['1', 2],
          ['4', 3],
          ['6', 4],
          ['8', 2],
        ])
      : '2',
    ...(isWorking && { occupation: level > 4 ? random.pick(['1', '2', '3']) : random.pick(['4', '5', '6', '6', '7', '8', '9', '9']) }),
    income_level: String(Math.min(5, 1 + Math.floor(score / 20))),
  };
}

function highestEducation(age: number): number {
  return age < 12 ? 1 : age < 15 ? 2 : age < 18 ? 3 : age < 22 ? 4 : 8;
}

function writeDay(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 10)}T00:00:00Z`;
}

/** Some time of a working day. */
function writeMoment(day: number, random: Random): string {
  return `${new Date(day + random.between(8 * 3_600, 17 * 3_600) * 1_000).toISOString().slice(0, 19)}Z`;
}
