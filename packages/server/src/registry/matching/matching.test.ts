import { describe, expect, it } from 'vitest';
import { socialProfile } from '../../profiles/social.ts';
import { blockKeys } from './block-keys.ts';
import { latinWords } from './latin-name.ts';
import { type MatchSubject, readMatchSubject } from './match-subject.ts';
import { wordSimilarity } from './similarity.ts';
import { soundKey } from './sound-key.ts';
import { type MatchBackground, weighMatch } from './weigh-match.ts';

const [person] = socialProfile.recordTypes;

interface Parts {
  readonly given?: string;
  readonly second?: string;
  readonly surname?: string;
  readonly maiden?: string;
  readonly born?: string;
  readonly sex?: string;
  readonly locality?: string;
  readonly phone?: string;
}

function subject(parts: Parts): MatchSubject {
  const {
    given = 'Aminata',
    second,
    surname = 'Diallo',
    maiden,
    born = '1990-04-23',
    sex = 'female',
    locality = 'Riverton',
    phone,
  } = parts;
  const name = { given_name: given, second_name: second, surname, maiden_name: maiden };
  const info = { name, sex, birth_date: `${born}T00:00:00Z`, address: [{ locality }], ...(phone && { phone_number: [phone] }) };
  const read = person && readMatchSubject(person, { '@type': 'Member', demographic_info: info });
  if (read === undefined) throw new Error('persons are not matched');
  return read;
}

const background: MatchBackground = { population: 100_000, expectation: 0.05, nameShare: () => 0.005 };

function agreements(one: Parts, other: Parts): Record<string, string> {
  const { evidence } = weighMatch(subject(one), subject(other), background);
  return Object.fromEntries(evidence.map(({ field, agreement }) => [field, agreement]));
}

const probability = (one: Parts, other: Parts): number => weighMatch(subject(one), subject(other), background).probability;

describe('names', () => {
  it.each([
    ['Étienne', ['etienne']],
    ["O'Brien", ['obrien']],
    ['Al-Ḥasan  Yūsuf', ['al', 'hasan', 'yusuf']],
    ['Фёдор', ['fedor']],
    ['सीता', ['sita']],
    ['محمد', ['mhmd']],
    ['—', []],
  ])('%s in Latin letters', (name, words) => {
    expect(latinWords(name)).toEqual(words);
  });

  it.each([
    ['mohammed', 'mhmd'],
    ['filip', 'philippe'],
    ['catherine', 'katarina'],
    ['chevtchenko', 'shevchenko'],
    ['yusuf', 'yousouf'],
    ['tesfaye', 'tesfaie'],
  ])('%s sounds like %s', (one, other) => {
    expect(soundKey(one)).toBe(soundKey(other));
  });

  it.each([
    ['mary', 'ruth'],
    ['anna', 'nina'],
    ['smith', 'jones'],
  ])('%s does not sound like %s', (one, other) => {
    expect(soundKey(one)).not.toBe(soundKey(other));
  });

  // The published examples of the measure.
  it.each([
    ['martha', 'marhta', 0.9611],
    ['dixon', 'dicksonx', 0.8133],
    ['dwayne', 'duane', 0.84],
    ['abc', 'xyz', 0],
    ['', 'abc', 0],
  ])('%s and %s are alike by %d', (one, other, likeness) => {
    expect(wordSimilarity(one, other)).toBeCloseTo(likeness, 4);
    expect(wordSimilarity(other, one)).toBeCloseTo(likeness, 4);
  });
});

describe('what two records of one person meet under', () => {
  const meet = (one: Parts, other: Parts): boolean => {
    const keys = new Set(blockKeys(subject(one)));
    return blockKeys(subject(other)).some((key) => keys.has(key));
  };

  it.each<[string, Parts]>([
    ['another spelling', { given: 'Amynatah', surname: 'Dialo' }],
    ['exchanged names', { given: 'Diallo', surname: 'Aminata' }],
    ['another year', { born: '1980-04-23' }],
    ['another month', { born: '1990-07-23' }],
    ['day and month exchanged', { born: '1990-04-03' }],
    ['another date altogether', { born: '1971-01-01' }],
    ['another surname', { surname: 'Traoré' }],
    ['another given name', { given: 'Fatou' }],
    ['another place', { locality: 'Hilltop' }],
  ])('in spite of %s', (_what, change) => {
    expect(meet({}, change)).toBe(true);
  });

  it('strangers do not meet', () => {
    expect(meet({}, { given: 'Ruth', surname: 'Baker', born: '1955-11-30', locality: 'Hilltop' })).toBe(false);
  });

  it('a record without names and dates has no keys', () => {
    const empty: MatchSubject = { ...subject({}), given: [], family: [], formerFamily: [], birthDate: undefined };
    expect(blockKeys(empty)).toEqual([]);
  });
});

describe('how likely two records are of one person', () => {
  it('says how each field agrees', () => {
    expect(agreements({ second: 'Awa', phone: '+999 20 123 456' }, { surname: 'Dialo', born: '1990-23-04', phone: '0020123456' })).toEqual({
      given_name: 'partly the same',
      family_name: 'sounds alike',
      birth_date: 'day and month exchanged',
      sex: 'same',
      place: 'same',
      contact: 'same',
    });
  });

  it('sees names that were exchanged and a name of before the wedding', () => {
    expect(agreements({}, { given: 'Diallo', surname: 'Aminata' })).toMatchObject({ given_name: 'exchanged', family_name: 'exchanged' });
    expect(agreements({ maiden: 'Sow' }, { surname: 'Sow' })).toMatchObject({ family_name: 'former name' });
  });

  it('matches each word of a name once', () => {
    expect(agreements({ given: 'Hasan', second: 'Hasana' }, { given: 'Hasan', second: 'Yusuf' })).toMatchObject({
      given_name: 'different',
    });
  });

  it.each<[string, Parts]>([
    ['a typing error', { given: 'Aminatta' }],
    ['another alphabet', { given: 'Амината', surname: 'Диалло' }],
    ['exchanged names', { given: 'Diallo', surname: 'Aminata' }],
    ['a move', { locality: 'Hilltop' }],
  ])('is sure in spite of %s', (_what, change) => {
    expect(probability({}, change)).toBeGreaterThan(0.9);
  });

  it('is not sure of twins, of namesakes and of strangers', () => {
    expect(probability({}, { given: 'Fatou' })).toBeLessThan(0.2);
    expect(probability({}, { born: '1961-08-02', locality: 'Hilltop' })).toBeLessThan(0.1);
    expect(probability({}, { given: 'Ruth', surname: 'Baker', born: '1955-11-30', locality: 'Hilltop' })).toBeLessThan(1e-6);
  });

  it('is the same whichever comes first', () => {
    expect(probability({ second: 'Awa' }, { surname: 'Dialo' })).toBeCloseTo(probability({ surname: 'Dialo' }, { second: 'Awa' }), 10);
  });

  it('is surer of a rare name than of a common one, and less sure among more people', () => {
    const one = subject({});
    const other = subject({ born: '1990-04-24' });
    const among = (population: number, share: number): number =>
      weighMatch(one, other, { population, expectation: 0.05, nameShare: () => share }).probability;
    expect(among(100_000, 0.0001)).toBeGreaterThan(among(100_000, 0.01));
    expect(among(1_000, 0.01)).toBeGreaterThan(among(1_000_000, 0.01));
  });
});
