// What the containers need before they start: `secrets` makes CAs, certificates and a password, `tokens` what agents and people come in
// with. Both do only what is missing or about to end, so each `up` runs them again. Runs as root; each file goes to the one who reads it.
//
//   /secrets/controllers   ca/  database-ca.crt  pgpass  admin-token    of uid 10001: the controllers
//   /secrets/postgres      password  postgres.crt  postgres.key         of uid 10002: PostgreSQL
//   /secrets/agents        enroll-token                                 of root: the agents
//   /secrets/setup         database-ca/                                 of root: nobody else
import { execFileSync } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin', 'perftrawl');
const CONTROLLER = 10001;
const POSTGRES = 10002;
const ROOT = 0;

const controllers = '/secrets/controllers';
const postgres = '/secrets/postgres';
const agents = '/secrets/agents';
const fleetCa = join(controllers, 'ca');
const databaseCa = '/secrets/setup/database-ca';

const DAY = 86_400_000;
/** Certificates and tokens that end sooner are made anew. */
const RENEW_BEFORE = 30 * DAY;

function prepareSecrets() {
  needCa(fleetCa);
  for (const name of ['controller-1', 'controller-2']) needCertificate(fleetCa, name, ['localhost', '127.0.0.1']);
  needCa(databaseCa);
  needCertificate(databaseCa, 'postgres', []);

  const file = join(postgres, 'password');
  const password = existsSync(file) ? readFileSync(file, 'utf8') : randomBytes(32).toString('base64url');
  write(file, password, POSTGRES);
  // Where each line is HOST:PORT:DATABASE:USER:PASSWORD; base64url has neither colons nor backslashes.
  write(join(controllers, 'pgpass'), `postgres:5432:perftrawl:perftrawl:${password}\n`, CONTROLLER);
  copy(join(databaseCa, 'ca.crt'), join(controllers, 'database-ca.crt'), CONTROLLER);
  for (const name of ['postgres.crt', 'postgres.key']) copy(join(databaseCa, name), join(postgres, name), POSTGRES);
  for (const name of readdirSync(fleetCa)) own(join(fleetCa, name), CONTROLLER);

  for (const [directory, owner] of [
    [controllers, CONTROLLER],
    [fleetCa, CONTROLLER],
    [postgres, POSTGRES],
    [agents, ROOT],
  ]) {
    chmodSync(directory, 0o700);
    own(directory, owner);
  }
}

function needCa(directory) {
  if (existsSync(join(directory, 'ca.crt'))) return;
  perftrawl('ca', 'init', '--dir', directory);
  say(`made a CA in ${directory}`);
}

/** Of the role `server`, for its name and the addresses. */
function needCertificate(ca, name, addresses) {
  const [cert, key] = ['crt', 'key'].map((ending) => join(ca, `${name}.${ending}`));
  if (existsSync(cert) && existsSync(key) && lifeLeft(cert) > RENEW_BEFORE) return;
  for (const file of [cert, key]) rmSync(file, { force: true });
  const further = addresses.length === 0 ? [] : ['--address', addresses.join(',')];
  perftrawl('ca', 'issue', name, '--role', 'server', ...further, '--dir', ca);
  say(`issued a certificate for ${name}`);
}

function lifeLeft(cert) {
  return Date.parse(new X509Certificate(readFileSync(cert)).validTo) - Date.now();
}

function prepareTokens() {
  needEnrollToken();
  needAdmin();
}

/** For three agents, within the hour: those that are enrolled need none. */
function needEnrollToken() {
  const file = join(agents, 'enroll-token');
  const id = existsSync(file) ? readFileSync(file, 'utf8').split('.')[1] : '';
  const now = Date.now();
  const known = json('enroll-token', 'ls').tokens.find((token) => token.id === id);
  if (known !== undefined && known.revoked === 0 && known.expires > now && known.used < known.uses) return;
  const what = ['--labels', 'role=demo', '--name-pattern', 'agent-*', '--uses', '3', '--ttl', '1h', '--days', '30'];
  write(file, `${json('enroll-token', 'create', ...what).text}\n`, ROOT);
  say('made a token for the agents');
}

/** As whom `perftrawl` asks in the containers of the controllers. Of a token the store has a hash only: a lost one is replaced. */
function needAdmin() {
  const file = join(controllers, 'admin-token');
  const admins = json('users', 'ls').users.filter(({ name }) => /^admin(-[0-9a-f]{6})?$/.test(name));
  const good = admins.filter(({ revoked }) => revoked === 0);
  if (existsSync(file) && good.length > 0) return;
  for (const { name } of good) perftrawl('users', 'revoke', name);
  // Names are never given twice.
  const name = admins.length === 0 ? 'admin' : `admin-${randomBytes(3).toString('hex')}`;
  write(file, `${json('users', 'add', name, '--role', 'admin').token}\n`, CONTROLLER);
  say(`made the user ${name}`);
}

function json(...args) {
  return JSON.parse(perftrawl('--json', ...args));
}

/** Its stdout. Ends this program with the reason when it fails. */
function perftrawl(...args) {
  return execFileSync(process.execPath, [program, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function copy(from, to, owner) {
  write(to, readFileSync(from), owner);
}

/** In one step: never half a file, never one that others may read. */
function write(file, content, owner) {
  const made = `${file}.new`;
  rmSync(made, { force: true });
  writeFileSync(made, content, { mode: 0o600, flag: 'wx' });
  own(made, owner);
  renameSync(made, file);
}

function own(file, owner) {
  chownSync(file, owner, owner);
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

const steps = { secrets: prepareSecrets, tokens: prepareTokens };
const step = steps[process.argv[2]];
if (step === undefined) {
  process.stderr.write('prepare: give `secrets` or `tokens`\n');
  process.exitCode = 2;
} else {
  step();
}
