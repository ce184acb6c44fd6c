import type { RegistryWire } from '@dci/protocol';
import type { TSchema } from 'typebox';

/**
 * The one shape every registry is declared in. A profile is data: record types with their document schema, what may be
 * searched, which identifiers exist, which events a change raises. Nothing outside `profiles/` knows a registry by name.
 *
 * Sensitivity is said once, in the document schema: every property (or an ancestor of it) carries the annotation
 * `sensitivity`, e.g. `Type.String({ sensitivity: 'contact' })`; attributes inherit it through their path. On an object or
 * a list it is a gate as well: who is not given its class is given nothing of what is in it.
 *
 * Two more annotations serve rules that give less than the whole: `place` (how closely a part of an address tells where)
 * and `ofOthers` (what is in it is about other persons than the one the record is about).
 */
export interface Profile {
  /** Wire name of the registry in paths, e.g. `social`. */
  readonly registry: string;
  /** Other names in paths, e.g. `sr`. */
  readonly aliases: readonly string[];
  /** Written into `data.reg_type`; the first is written, all are read, ignoring case. */
  readonly regTypes: readonly string[];
  /** JSON-LD `@context` of every record at the top level of an answer. */
  readonly context: Readonly<Record<string, string>>;
  readonly identifierTypes: readonly IdentifierType[];
  readonly recordTypes: readonly RecordType[];
  /** Record type that a query without `response_entity`, `reg_record_type` and `collection` asks about. */
  readonly defaultRecordType: string;
  /** Events beyond the common ones (`COMMON_EVENTS` in `events.ts`), and which changes raise them. */
  readonly events?: readonly EventType[];
  /** How its published schema wants notifications; absent: one record each, events of any name. */
  readonly notify?: RegistryWire['notify'];
}

/** Something that partners may ask to be told of. */
export interface EventType {
  /** As it is written on the wire, e.g. `BIRTH`. */
  readonly name: string;
  /** Read as this event too, ignoring case and namespace, e.g. `LiveBirth`. */
  readonly synonyms: readonly string[];
  /** Any of them raises it. */
  readonly raisedBy: readonly EventRule[];
}

export interface EventRule {
  readonly kind: 'REGISTER' | 'UPDATE' | 'DELETE' | 'LINK' | 'UNLINK';
  /** Absent: records of every type. */
  readonly recordType?: string;
  /** Of an UPDATE: dotted paths in the document of which one changed; absent: whatever changed. */
  readonly changed?: readonly string[];
}

export interface IdentifierType {
  /** Code in `identifier_type`, e.g. `UIN`. */
  readonly code: string;
  /** Namespace URIs and other names read as this type, e.g. `urn:gov:national-id`; compared ignoring case. */
  readonly synonyms: readonly string[];
  /** Record type that carries it, e.g. `person`. */
  readonly recordType: string;
  /** At most one current record has a given value; imports match records on it. */
  readonly unique: boolean;
  /**
   * Class of the identifiers of this type; absent: `identifier`. To have one may tell what its holder is: only a dead
   * person has the number of a death certificate.
   */
  readonly sensitivity?: Sensitivity;
}

/** A class of fields with one rule for all of them; the vocabulary of field rules and agreements. */
export type Sensitivity =
  | 'public'
  | 'identifier'
  | 'name'
  | 'demographic'
  | 'contact'
  | 'location'
  | 'special'
  | 'financial'
  | 'administrative';

/** How closely a field tells where something is, the coarsest first; a field without a level tells it exactly. */
export type PlaceLevel = 'country' | 'region' | 'district';

export interface RecordType {
  /** Internal name, part of the table's name: `person`, `group`. Lower case letters and `_`. */
  readonly name: string;
  /** JSON Schema of the document as imported and stored (the outermost entity), `additionalProperties: false` throughout. */
  readonly document: TSchema;
  /** What `response_entity`, `reg_record_type`, `collection` and `@type` may call it; the first is the default answer. */
  readonly entities: readonly Entity[];
  /** Where documents keep their identifiers: dotted paths to lists of `{identifier_type, identifier_value}`; the first is where identifiers added by hand go. */
  readonly identifierPaths: readonly string[];
  readonly attributes: readonly Attribute[];
  /** Present on a record type that holds members of another. */
  readonly members?: {
    readonly recordType: string;
    /** Entity in which members are written, e.g. `Member`. */
    readonly entity: string;
    /** Property of the document that holds the list of members, e.g. `member_list`. */
    readonly listProperty: string;
    /** Property that holds the head, e.g. `group_head_info`. */
    readonly headProperty: string;
    /** Property that holds their number, e.g. `group_size`: as stated, else counted; counted anew on link and unlink. */
    readonly sizeProperty: string;
  };
  /** By what records of this type are counted; absent: they are not. */
  readonly statistics?: CountedBy;
  /** By what two records are judged to be of one person; absent: records of this type are not matched. */
  readonly matching?: MatchFields;
}

/** What statistics tell of a record type. */
export interface CountedBy {
  readonly dimensions: readonly Dimension[];
  /** Names of dimensions whose counts are kept; a question about some of those of one cube is answered from it. */
  readonly cubes: readonly (readonly string[])[];
}

/** One way in which records are told apart when they are counted. */
export interface Dimension {
  /** Wire name, e.g. `age_band`. */
  readonly name: string;
  /** Name of the attribute whose value it tells. */
  readonly attribute: string;
  readonly banding: 'as-it-is' | 'month' | 'year' | Bands;
  /** Name of the dimension in whose values its own lie, as districts in regions: it is never told without that. */
  readonly within?: string;
}

/** Values of a number, or ages, in bands: each begins at a bound and ends before the next. */
export interface Bands {
  /** Least value there is, for the name of the first band. */
  readonly from?: number;
  /** Ascending. */
  readonly bounds: readonly number[];
}

/** Dotted paths of the document, each to a text or a list of texts. */
export interface MatchFields {
  readonly given: readonly string[];
  readonly family: readonly string[];
  /** Family names of another time of life. */
  readonly formerFamily: readonly string[];
  readonly birthDate: string;
  readonly sex: string;
  /** From the smallest to the largest. */
  readonly places: readonly string[];
  /** Telephone numbers and the like. */
  readonly contacts: readonly string[];
}

export interface Entity {
  /** Wire name, written as `@type` and `reg_record_type`: `SRPerson`. */
  readonly name: string;
  /** Read as this entity too, ignoring case: `Household`. */
  readonly synonyms: readonly string[];
  /** Property of the stored document that *is* this entity (`demographic_info`); absent: the whole document. */
  readonly property?: string;
}

export type AttributeType = 'text' | 'code' | 'integer' | 'decimal' | 'date' | 'timestamp' | 'boolean';

export type Operator = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'in' | 'nin' | 'exists' | 'prefix';

export interface Attribute {
  /** Wire name, e.g. `birth_date`. */
  readonly name: string;
  /** Other names read as this attribute, compared ignoring case, e.g. `dob`. */
  readonly synonyms: readonly string[];
  /** Dotted path in the stored document, e.g. `demographic_info.birth_date`; through a list it means the first entry. */
  readonly path: string;
  readonly type: AttributeType;
  /** Accepted codes; `synonyms` maps other spellings, lower case, to a code, e.g. `m` → `male`. */
  readonly codes?: { readonly values: readonly string[]; readonly synonyms?: Readonly<Record<string, string>> };
  readonly operators: readonly Operator[];
  /** Whether the search column has an index `(column, id)`. */
  readonly indexed: boolean;
  /** `age`: whole years since the date at `path`, computed from that attribute's column; has no column of its own. */
  readonly derived?: 'age';
}
