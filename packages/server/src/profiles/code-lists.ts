/**
 * The code lists of the standard's core data objects, as data: codes as the standard spells them, their meaning, and
 * other spellings in real use that are read as the code. Codes and spellings are compared ignoring case.
 * Source: SPDCI schemas, `core/v1/code`.
 */
export interface CodeList {
  readonly values: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Other spellings, lower case, to the code. The labels are among them. */
  readonly synonyms: Readonly<Record<string, string>>;
}

type Entry = readonly [code: string, label: string, ...synonyms: string[]];

function codeList(entries: readonly Entry[]): CodeList {
  const synonyms = new Map<string, string>();
  for (const [code, label, ...others] of entries)
    for (const spelling of [label, ...others]) if (!synonyms.has(spelling.toLowerCase())) synonyms.set(spelling.toLowerCase(), code);
  return {
    values: entries.map(([code]) => code),
    labels: Object.fromEntries(entries.map(([code, label]) => [code, label])),
    synonyms: Object.fromEntries(synonyms),
  };
}

export const SEX_CATEGORY = codeList([
  ['male', 'Male', 'm', 'man', 'boy'],
  ['female', 'Female', 'f', 'woman', 'girl'],
  ['other', 'Others', 'o', 'x'],
  ['unknown', 'Unknown', 'u'],
]);

export const MARITAL_STATUS = codeList([
  ['S', 'Never Married', 'single', 'never-married', 'never_married'],
  ['M', 'Married'],
  ['W', 'Widow', 'widowed', 'widower'],
  ['A', 'Annulled'],
  ['D', 'Divorced'],
  ['L', 'Legally Separated', 'separated', 'legally-separated', 'legally_separated'],
  ['U', 'Unmarried'],
]);

export const EMPLOYMENT_STATUS = codeList([
  ['1', 'Employed'],
  ['2', 'Not Employed', 'unemployed'],
  ['3', 'Unknown'],
  ['4', 'Paid employment: Employee', 'employee'],
  ['5', 'Self employment: Employers', 'employer'],
  ['6', 'Self employment: Own-account workers', 'own-account worker', 'self-employed'],
  ['7', 'Self employment: Members of producers’ cooperatives', "Self employment: Members of producers' cooperatives"],
  ['8', 'Self employment: Contributing family workers', 'contributing family worker'],
]);

/** Major groups of ISCO-08. */
export const OCCUPATION = codeList([
  ['0', 'Armed forces occupation'],
  ['1', 'Manager'],
  ['2', 'Professional'],
  ['3', 'Technician and associate professional'],
  ['4', 'Clerical support worker'],
  ['5', 'Service and sales worker'],
  ['6', 'Skilled agricultural, forestry and fishery worker'],
  ['7', 'Craft and related trades worker'],
  ['8', 'Plant and machine operator, and assembler'],
  ['9', 'Elementary occupation'],
]);

/** Levels of ISCED 2011. */
export const EDUCATION = codeList([
  ['0', 'Early childhood education'],
  ['1', 'Primary education', 'primary'],
  ['2', 'Lower secondary education', 'lower secondary'],
  ['3', 'Upper secondary education', 'upper secondary', 'high school', 'highschool'],
  ['4', 'Post-secondary non-tertiary education'],
  ['5', 'Short-cycle tertiary education'],
  ['6', "Bachelor's or equivalent", 'bachelor'],
  ['7', "Master's or equivalent", 'master'],
  ['8', 'Doctorate or equivalent', 'doctorate'],
]);

/** The standard names level 1 and leaves the further ones to each country. */
export const INCOME_LEVEL = codeList([
  ['1', 'income level I', 'I'],
  ['2', 'income level II', 'II'],
  ['3', 'income level III', 'III'],
  ['4', 'income level IV', 'IV'],
  ['5', 'income level V', 'V'],
]);

export const ASSISTANCE_UNIT = codeList([
  ['1', 'Member (Person/Individual)', 'individual', 'person', 'member'],
  ['2', 'Household'],
  ['3', 'Family'],
]);

/** Domains of the Washington Group short set. */
export const FUNCTIONAL_LIMITATION = codeList([
  ['VIS_SS', 'Vision'],
  ['HEAR_SS', 'Hearing'],
  ['MOB_SS', 'Mobility'],
  ['COG_SS', 'Cognition (remembering)', 'cognition'],
  ['SC_SS', 'Self care'],
  ['COM_SS', 'Communication'],
]);

export const FUNCTIONAL_SEVERITY = codeList([
  ['1', 'No difficulty'],
  ['2', 'Some difficulty'],
  ['3', 'A lot difficulty', 'a lot of difficulty'],
  ['4', 'Cannot do it at all'],
]);

/** Codes of HL7 v3 RoleCode. Where the standard's list and its definitions spell a code differently, both are read. */
export const RELATIONSHIP_TYPE = codeList([
  ['SELF', 'self'],
  ['PRIMSPOUS', 'primary spouse'],
  ['FAMMEMB', 'family member'],
  ['CHILD', 'child'],
  ['CHILDADOPT', 'adopted child'],
  ['DAUADOPT', 'adopted daughter'],
  ['SONADOPT', 'adopted son'],
  ['CHILDFOST', 'foster son'],
  ['DAUFOST', 'foster daughter'],
  ['SONFOST', 'foster son'],
  ['DAUC', 'daughter'],
  ['DAU', 'natural daughter'],
  ['STPDAU', 'stepdaughter'],
  ['NCHILD', 'natural child'],
  ['SON', 'natural son'],
  ['SONC', 'son'],
  ['STPSON', 'stepson'],
  ['STPCHILD', 'step child'],
  ['EXT', 'extended family member'],
  ['AUNT', 'aunt'],
  ['MAUNT', 'maternal aunt'],
  ['PAUNT', 'paternal aunt'],
  ['COUSN', 'cousin'],
  ['MCOUSN', 'maternal cousin'],
  ['PCOUSN', 'paternal cousin'],
  ['GGRPRN', 'great grandparent'],
  ['GGRFTH', 'great grandfather'],
  ['MGGRFTH', 'maternal great-grandfather'],
  ['PGGRFTH', 'paternal great-grandfather'],
  ['GGRMTH', 'great grandmother'],
  ['MGGRMTH', 'maternal great-grandmother'],
  ['PGGRMTH', 'paternal great-grandmother'],
  ['MGGRPRN', 'maternal great-grandparent'],
  ['PGGRPRN', 'paternal great-grandparent'],
  ['GRNDCHILD', 'grandchild'],
  ['GRNDDAU', 'granddaughter'],
  ['GRNDSON', 'grandson'],
  ['GRPRN', 'grandparent'],
  ['GRFTH', 'grandfather'],
  ['MGRFTH', 'maternal grandfather'],
  ['PGRFTH', 'paternal grandfather'],
  ['GRMTH', 'grandmother'],
  ['PGRMTH', 'paternal grandmother'],
  ['MGRMTH', 'maternal grandmother'],
  ['PGRPRN', 'paternal grandparent'],
  ['MGRPRN', 'maternal grandparent'],
  ['INLAW', 'in-law'],
  ['CHLDINLAW', 'child-in-law'],
  ['DAUINLAW', 'daughter in-law'],
  ['SONINLAW', 'son in-law'],
  ['PRNINLAW', 'parent in-law'],
  ['FTHINLAW', 'father-in-law'],
  ['MTHINLAW', 'mother-in-law'],
  ['SIBINLAW', 'sibling in-law'],
  ['BROINLAW', 'brother in-law'],
  ['SISINLAW', 'sister in-law'],
  ['NIENEPH', 'niece/nephew'],
  ['NEPHEW', 'nephew'],
  ['NEICE', 'niece'],
  ['UNCLE', 'uncle'],
  ['PUNCLE', 'paternal uncle'],
  ['MUNCLE', 'maternal uncle'],
  ['PRN', 'parent'],
  ['ADOPTP', 'adoptive parent'],
  ['ADOPTF', 'adoptive father'],
  ['ADOPTM', 'adoptive mother'],
  ['FTH', 'father'],
  ['FTHFOST', 'foster father'],
  ['NFTH', 'natural father'],
  ['NFTHF', 'natural father of fetus'],
  ['STPFTH', 'stepfather'],
  ['MTH', 'mother'],
  ['GESTM', 'gestational mother'],
  ['FOSTMTH', 'foster mother'],
  ['NMTH', 'natural mother'],
  ['NMTHF', 'natural mother of fetus'],
  ['STPMTH', 'stepmother'],
  ['NPRN', 'natural parent'],
  ['PRNFOST', 'foster parent'],
  ['STPPRN', 'step parent'],
  ['SIB', 'sibling'],
  ['BRO', 'brother'],
  ['HBRO', 'half-brother'],
  ['NBRO', 'natural brother'],
  ['TWINBRO', 'twin brother'],
  ['FTWINBRO', 'fraternal twin brother'],
  ['ITWINBRO', 'identical twin brother'],
  ['STPBRO', 'stepbrother'],
  ['HSIB', 'half-sibling'],
  ['HSIS', 'half-sister'],
  ['NSIB', 'natural sibling'],
  ['NSIS', 'natural sister'],
  ['TWINSIS', 'twin sister'],
  ['FTWINSIS', 'fraternal twin sister'],
  ['ITWINSIS', 'identical twin sister'],
  ['TWIN', 'twin'],
  ['FTWIN', 'fraternal twin'],
  ['ITWIN', 'identical twin'],
  ['SIS', 'sister'],
  ['STPSIS', 'step-sister'],
  ['STPSIB', 'step-sibling'],
  ['SIGOTHR', 'significant other'],
  ['DOMPART', 'domestic partner'],
  ['FRMSPS', 'former spouse'],
  ['SPS', 'spouse'],
  ['HUSB', 'husband'],
  ['WIFE', 'wife'],
  ['CHLDADOPT', 'adopted child'],
  ['CHLDFOST', 'foster son'],
  ['MGGRNTH', 'maternal great-grandmother'],
  ['GRANDSON', 'grandson'],
  ['MTHFOST', 'foster mother'],
  ['STEPSIS', 'step-sister'],
  ['STEPSIB', 'step-sibling'],
]);
