/** One setting as the program declares it. */
interface Setting {
  readonly variable: string;
  readonly purpose: string;
  readonly fallback: string | undefined;
}

const HEAD = `# Settings

<!-- Made by "npm run docs" from packages/server/src/config.ts. -->

Settings come from the environment. Any of them may be given in a file instead: \`DCI_X_FILE\` names the file that holds the
value of \`DCI_X\`. A server with a wrong setting does not start, and names every one that is wrong.

| variable | default | what it is |
|---|---|---|
`;

/** The page of all settings, in the order in which they are declared. */
export function writeConfigurationPage(settings: Readonly<Record<string, Setting>>): string {
  return `${HEAD}${Object.values(settings).map(writeRow).join('')}`;
}

function writeRow({ variable, fallback, purpose }: Setting): string {
  return `| \`${variable}\` | ${fallback === undefined ? '' : `\`${fallback}\``} | ${purpose.replaceAll('|', '\\|')} |\n`;
}
