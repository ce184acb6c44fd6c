/** As much of a commander program as the page is made of. */
interface DocumentedCommand {
  readonly commands: readonly DocumentedCommand[];
  readonly parent: DocumentedCommand | null;
  name(): string;
  configureOutput(output: { writeOut: (text: string) => void; getOutHelpWidth: () => number; getOutHasColors: () => boolean }): unknown;
  outputHelp(): void;
}

const HEAD = `# The command line

<!-- Made by "npm run docs" from the commands themselves. -->

In a checkout: \`npx dci …\`. Results go to stdout, everything else to stderr. Exit status 0: fine; 1: failed; 2: called in the wrong way.
`;

const HELP_WIDTH = 110;

/** The page of all commands: what `--help` prints for each. */
export function writeCommandLinePage(program: DocumentedCommand): string {
  return HEAD + listCommands(program).map(writeCommand).join('');
}

function listCommands(command: DocumentedCommand): DocumentedCommand[] {
  return [command, ...command.commands.flatMap(listCommands)];
}

function writeCommand(command: DocumentedCommand): string {
  return `\n## ${nameInFull(command)}\n\n\`\`\`text\n${readHelp(command).trim()}\n\`\`\`\n`;
}

function nameInFull(command: DocumentedCommand): string {
  return command.parent === null ? command.name() : `${nameInFull(command.parent)} ${command.name()}`;
}

function readHelp(command: DocumentedCommand): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => HELP_WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}
