/** The command line: operators steer a running engine through its API, anyone verifies a draw. */
import { Command } from 'commander';
import { addCareCommands, addExportCommand } from './care/commands.ts';
import { httpAddress, warn } from './command-line.ts';
import { addAuditCommand, addBotsCommand, addKeysCommands } from './gates/commands.ts';
import { addSmsCommands } from './notify/commands.ts';
import { addPeopleCommands } from './people/commands.ts';
import { addReconcileCommand } from './reconcile/commands.ts';
import { addReleaseCommands } from './releases/commands.ts';
import { addDrawCommands } from './rounds/commands.ts';

const program = new Command('fairslot')
  .description('Gives out scarce appointments by a lottery that anyone can check.')
  .option('--url <url>', 'where the engine listens', httpAddress, 'http://127.0.0.1:8080')
  .showHelpAfterError();

// In the order of --help.
const release = addReleaseCommands(program);
addExportCommand(release);
addBotsCommand(release);
addPeopleCommands(program);
addSmsCommands(program);
addKeysCommands(program);
addAuditCommand(program);
addReconcileCommand(program);
addCareCommands(program);
addDrawCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  warn(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
