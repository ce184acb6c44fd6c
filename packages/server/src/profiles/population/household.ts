import type { NameList } from './names.ts';
import { LOCALITIES, type Locality } from './places.ts';
import type { Random } from './random.ts';

/** Someone who lives (or lived) in a household, before identifiers and documents. Ages are whole years at the reference date. */
export interface Inhabitant {
  readonly sex: 'female' | 'male';
  readonly age: number;
  readonly givenName: string;
  readonly secondName?: string;
  readonly surname: string;
  readonly maidenName?: string;
  readonly maritalStatus: 'S' | 'M' | 'W' | 'D' | 'L';
  /** What this person is to the head (RelationshipTypeEnum); the head is `SELF`. */
  readonly relationship: string;
}

export interface Household {
  readonly locality: Locality;
  readonly names: NameList;
  /** 0 (poorest) to 100. */
  readonly povertyScore: number;
  /** The head first. */
  readonly inhabitants: readonly Inhabitant[];
}

type Composition = 'single' | 'couple' | 'nuclear' | 'oneParent' | 'extended';

const COMPOSITIONS: readonly (readonly [Composition, number])[] = [
  ['single', 14],
  ['couple', 13],
  ['nuclear', 42],
  ['oneParent', 14],
  ['extended', 17],
];

/** How many children, by weight. */
const CHILDREN: readonly (readonly [number, number])[] = [
  [1, 24],
  [2, 29],
  [3, 21],
  [4, 13],
  [5, 7],
  [6, 4],
  [7, 2],
];

const LOCALITY_WEIGHTS = LOCALITIES.map((locality) => [locality, locality.weight] as const);

/** The next household; at most `largest` inhabitants. */
export function makeHousehold(random: Random, largest: number): Household {
  const locality = random.weighted(LOCALITY_WEIGHTS);
  const names = random.weighted(locality.district.region.languages);
  const inhabitants = makeInhabitants(random, names, largest === 1 ? 'single' : random.weighted(COMPOSITIONS)).slice(0, largest);
  return { locality, names, inhabitants, povertyScore: makeScore(random, locality.district.region.prosperity, inhabitants.length) };
}

/** Many poor, few rich; larger households are poorer. */
function makeScore(random: Random, prosperity: number, size: number): number {
  const crowding = 1 - Math.min(size - 1, 8) * 0.03;
  return Math.min(100, Math.round(random.next() ** 1.3 * 1_000 * prosperity * crowding) / 10);
}

function makeInhabitants(random: Random, names: NameList, composition: Composition): Inhabitant[] {
  switch (composition) {
    case 'single':
      return [makeAlone(random, names)];
    case 'couple':
      return makeCouple(random, names, random.between(20, 84));
    case 'nuclear':
      return makeFamily(random, names);
    case 'oneParent':
      return makeOneParentFamily(random, names);
    case 'extended':
      return makeExtendedFamily(random, names);
  }
}

function makeAlone(random: Random, names: NameList): Inhabitant {
  const age = random.weighted([
    [random.between(18, 34), 3],
    [random.between(35, 64), 3],
    [random.between(65, 92), 4],
  ]);
  return makePerson(
    random,
    names,
    random.chance(0.55) ? 'female' : 'male',
    age,
    'SELF',
    random.pick(names.surnames),
    aloneStatus(random, age),
  );
}

function aloneStatus(random: Random, age: number): Inhabitant['maritalStatus'] {
  if (age < 25) return 'S';
  if (age < 60)
    return random.weighted([
      ['S', 5],
      ['D', 3],
      ['L', 1],
      ['W', 1],
    ]);
  return random.weighted([
    ['S', 2],
    ['D', 1],
    ['W', 7],
  ]);
}

function makeCouple(random: Random, names: NameList, headAge: number): Inhabitant[] {
  const headSex = random.chance(0.78) ? 'male' : 'female';
  const spouseAge = Math.max(18, headAge + (headSex === 'male' ? random.between(-8, 3) : random.between(-3, 8)));
  const surname = random.pick(names.surnames);
  const head = makePerson(random, names, headSex, headAge, 'SELF', surname, 'M');
  const spouseSurname = names.marriedName ? surname : random.pick(names.surnames);
  return [
    head,
    makePerson(random, names, headSex === 'male' ? 'female' : 'male', spouseAge, headSex === 'male' ? 'WIFE' : 'HUSB', spouseSurname, 'M'),
  ];
}

function makeFamily(random: Random, names: NameList): Inhabitant[] {
  const couple = makeCouple(random, names, random.between(21, 58));
  return [...couple, ...makeChildren(random, names, couple)];
}

function makeOneParentFamily(random: Random, names: NameList): Inhabitant[] {
  const age = random.between(19, 60);
  const sex = random.chance(0.84) ? 'female' : 'male';
  const status = random.weighted<Inhabitant['maritalStatus']>(
    age < 30
      ? [
          ['S', 5],
          ['L', 2],
          ['D', 2],
          ['W', 1],
        ]
      : [
          ['W', 5],
          ['D', 3],
          ['L', 1],
          ['S', 1],
        ],
  );
  const parent = makePerson(random, names, sex, age, 'SELF', random.pick(names.surnames), status);
  return [parent, ...makeChildren(random, names, [parent])];
}

function makeExtendedFamily(random: Random, names: NameList): Inhabitant[] {
  const couple = makeCouple(random, names, random.between(24, 55));
  const [head] = couple;
  if (head === undefined) return couple;
  const grandmother = makePerson(
    random,
    names,
    'female',
    head.age + random.between(18, 35),
    'MTH',
    head.surname,
    random.chance(0.6) ? 'W' : 'M',
  );
  const grandfather = makePerson(random, names, 'male', grandmother.age + random.between(-2, 8), 'FTH', head.surname, 'M');
  const sibling = makePerson(
    random,
    names,
    random.chance(0.5) ? 'female' : 'male',
    Math.max(15, head.age - random.between(1, 12)),
    'SIB',
    head.surname,
    'S',
  );
  return [
    ...couple,
    ...makeChildren(random, names, couple),
    grandmother,
    ...(grandmother.maritalStatus === 'M' ? [grandfather] : []),
    ...(random.chance(0.3) ? [sibling] : []),
  ];
}

/** Born when both parents were of an age for it, in different years; grown up ones have mostly left. */
function makeChildren(random: Random, names: NameList, parents: readonly Inhabitant[]): Inhabitant[] {
  const [head] = parents;
  const youngest = Math.min(...parents.map((parent) => parent.age));
  const eldest = Math.min(youngest - 17, 24);
  if (head === undefined || eldest < 0) return [];
  const father = parents.find((parent) => parent.sex === 'male') ?? head;
  const least = Math.max(0, youngest - 44);
  if (least > eldest) return [];
  const ages = new Set(Array.from({ length: random.weighted(CHILDREN) }, () => random.between(least, eldest)));
  return [...ages].toSorted((a, b) => b - a).map((age) => makeChild(random, names, age, father.surname));
}

function makeChild(random: Random, names: NameList, age: number, surname: string): Inhabitant {
  const sex = random.chance(0.49) ? 'female' : 'male';
  return makePerson(random, names, sex, age, sex === 'female' ? 'DAUC' : 'SONC', surname, 'S');
}

function makePerson(
  random: Random,
  names: NameList,
  sex: Inhabitant['sex'],
  age: number,
  relationship: string,
  surname: string,
  maritalStatus: Inhabitant['maritalStatus'],
): Inhabitant {
  const given = sex === 'female' ? names.female : names.male;
  const hasMaidenName = sex === 'female' && names.marriedName && (maritalStatus === 'M' || maritalStatus === 'W');
  return {
    sex,
    age: Math.min(age, 104),
    givenName: random.pick(given),
    ...(random.chance(0.3) && { secondName: random.pick(given) }),
    surname,
    ...(hasMaidenName && { maidenName: random.pick(names.surnames) }),
    maritalStatus,
    relationship,
  };
}
